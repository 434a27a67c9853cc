#include "server/handlers/email/delivery.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/handlers/email/message.h"
#include "server/task/duration.h"
#include "server/task/email_address.h"

namespace errand::handlers {
namespace {

using Phase = SmtpSession::Phase;

constexpr size_t kChunkBytes = 64 << 10;

SmtpEnvelope EnvelopeOf(const v1::EmailTask& email, const Receipt& receipt) {
  return {task::ParseEmailAddress(email.from())->address, receipt.open()};
}

}  // namespace

Delivery::Delivery(const Settings* settings, io::Loop* loop, Owner* owner, Attempt attempt,
                   std::unique_ptr<AttemptObserver> observer, clock::Moment started)
    : settings_(settings),
      loop_(loop),
      owner_(owner),
      attempt_(std::move(attempt)),
      started_(started),
      observer_(std::move(observer)),
      receipt_(attempt_.task->email(), attempt_.previous_result.email(),
               MessageId(attempt_.task->uid(), attempt_.task->email())),
      session_(EnvelopeOf(attempt_.task->email(), receipt_), settings->tls, settings->helo_name),
      lookup_(loop, settings->server),
      phase_timer_(loop, [this] { OnPhaseTimeout(); }),
      run_timer_(loop,
                 [this] {
                   Fail(SmtpFailure::Kind::kRunTimeout,
                        absl::StrCat("the attempt took longer than its run_timeout of ",
                                     absl::FormatDuration(task::FromProto(attempt_.task->run_timeout()))));
                 }),
      stop_timer_(loop, [this] { Fail(SmtpFailure::Kind::kCancelled, "stopped before the reply came"); }) {}

void Delivery::Start() {
  if (receipt_.open().empty()) {  // The attempt before has served everybody.
    Report();
    closed_ = true;
    owner_->OnClosed(this);
    return;
  }
  run_timer_.Set(task::FromProto(attempt_.task->run_timeout()) - (clock::Instant::Now() - started_.instant));
  phase_timer_.Set(settings_->timeouts.resolve);
  lookup_.Start(
      [this](absl::StatusOr<std::vector<SocketAddress>> addresses) { OnAddresses(std::move(addresses)); });
}

void Delivery::OnAddresses(absl::StatusOr<std::vector<SocketAddress>> addresses) {
  if (closed_) return;
  if (!addresses.ok()) return Fail(SmtpFailure::Kind::kUnreachable, addresses.status().message());
  phase_timer_.Cancel();  // The connector has a timer of its own.
  connector_.emplace(loop_, *std::move(addresses), settings_->timeouts.connect);
  connector_->Start([this](absl::StatusOr<Socket> socket) { OnConnected(std::move(socket)); });
}

void Delivery::OnConnected(absl::StatusOr<Socket> socket) {
  if (closed_) return;
  if (!socket.ok()) return Fail(SmtpFailure::Kind::kUnreachable, socket.status().message());
  transport_.emplace(loop_, *std::move(socket), static_cast<Transport::Owner*>(this));
  if (absl::Status status = transport_->Open(); !status.ok()) {
    return Fail(SmtpFailure::Kind::kUnreachable, status.message());
  }
  Advance();
}

void Delivery::OnReceived(absl::string_view bytes) {
  session_.OnReceived(bytes);
  Advance();
}

void Delivery::OnDrained() {
  if (session_.phase() == Phase::kMessage) phase_timer_.Set(PhaseTimeout());
  Advance();
}

void Delivery::OnTlsUp() {
  session_.OnTlsUp();
  Advance();
}

void Delivery::OnTlsFailed(absl::string_view why) { Fail(SmtpFailure::Kind::kTlsFailed, why); }

void Delivery::OnLost(absl::string_view why) {
  Fail(SmtpFailure::Kind::kProtocolError,
       absl::StrCat(why, ", before its reply to ", PhaseName(session_.phase())));
}

void Delivery::OnPhaseTimeout() {
  if (!transport_.has_value()) {
    return Fail(
        SmtpFailure::Kind::kUnreachable,
        absl::StrCat("mail server '", settings_->server.host, "' cannot be resolved: no answer within ",
                     absl::FormatDuration(settings_->timeouts.resolve)));
  }
  Fail(SmtpFailure::Kind::kTimeout,
       absl::StrCat("the mail server did not answer ", PhaseName(session_.phase()), " within ",
                    absl::FormatDuration(PhaseTimeout())));
}

void Delivery::Stop(absl::Duration patience) {
  if (session_.phase() == Phase::kFinalDot) {
    stop_timer_.Set(patience);
  } else if (!session_.settled()) {
    Fail(SmtpFailure::Kind::kCancelled, "stopped before the message was handed over");
  }
}

void Delivery::Abandon() { Fail(SmtpFailure::Kind::kCancelled, ""); }

void Delivery::Fail(SmtpFailure::Kind kind, absl::string_view text) {
  if (closed_) return;
  session_.Fail(kind, text);
  Advance();
}

void Delivery::Advance() {
  if (closed_) return;
  if (transport_.has_value()) transport_->Write(session_.TakeOutput());
  if (session_.phase() == Phase::kHandshake && transport_.has_value() && !tls_started_) {
    tls_started_ = true;
    transport_->StartTls(std::make_unique<TlsChannel>(*settings_->tls_context, settings_->server.host));
  }
  if (session_.phase() == Phase::kMessage) SendMessage();
  if (session_.settled()) Report();
  if (session_.phase() == Phase::kClosed) {
    closed_ = true;
    phase_timer_.Cancel();
    if (connector_.has_value()) connector_->Cancel();
    if (transport_.has_value()) transport_->Close();
    owner_->OnClosed(this);
    return;
  }
  if (session_.step() != timed_step_) {
    timed_step_ = session_.step();
    phase_timer_.Set(PhaseTimeout());
  }
}

void Delivery::SendMessage() {
  if (!data_.has_value()) {
    data_.emplace(BuildMessage(attempt_.task->email(),
                               MessageId(attempt_.task->uid(), attempt_.task->email()),
                               MessageDate(*attempt_.task, attempt_.create_time)));
  }
  while (transport_->drained() && !data_->done()) {
    std::string chunk;
    data_->AppendTo(chunk, kChunkBytes);
    transport_->Write(chunk);
  }
  if (transport_->drained()) session_.OnMessageSent();
}

void Delivery::Report() {
  if (observer_ == nullptr) return;
  run_timer_.Cancel();
  stop_timer_.Cancel();
  Outcome outcome = receipt_.Conclude(session_.transcript());
  *outcome.usage.mutable_wall_time() = task::ToProto(clock::Instant::Now() - started_.instant);
  if (data_.has_value()) outcome.usage.set_output_bytes(static_cast<int64_t>(data_->message_bytes()));
  const auto& failure = session_.transcript().failure;
  if (failure.has_value() && failure->kind == SmtpFailure::Kind::kDeliveryUnknown) {
    spdlog::warn("{}: delivery unknown: {}", attempt_.task->name(), failure->text);
  }
  const std::unique_ptr<AttemptObserver> observer = std::move(observer_);
  owner_->OnSettled(this);
  observer->OnDone(std::move(outcome));
}

absl::Duration Delivery::PhaseTimeout() const {
  const SmtpTimeouts& timeouts = settings_->timeouts;
  switch (session_.phase()) {
    case Phase::kHandshake:
      return timeouts.handshake;
    case Phase::kGreeting:
      return timeouts.greeting;
    case Phase::kEhlo:
    case Phase::kHelo:
    case Phase::kStartTls:
      return timeouts.hello;
    case Phase::kMail:
      return timeouts.mail;
    case Phase::kRcpt:
      return timeouts.recipient;
    case Phase::kData:
      return timeouts.data;
    case Phase::kMessage:
      return timeouts.block;
    case Phase::kFinalDot:
      return timeouts.final_dot;
    case Phase::kQuit:
    case Phase::kClosed:
      break;
  }
  return timeouts.quit;
}

}  // namespace errand::handlers
