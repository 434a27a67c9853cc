#include "server/handlers/email/smtp_connection.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/handlers/email/secret_file.h"

namespace errand::handlers {
namespace {

using Blame = SmtpFailure::Blame;
using Kind = SmtpFailure::Kind;

constexpr size_t kChunkBytes = 64 << 10;

// Whether a connection that was good before may have died by itself.
bool LooksDead(const SmtpFailure& failure) {
  switch (failure.kind) {
    case Kind::kProtocolError:
    case Kind::kTimeout:
      return true;
    case Kind::kRejected:
      return failure.reply.has_value() && failure.reply->code() == 421;
    default:
      return false;
  }
}

}  // namespace

SmtpConnection::SmtpConnection(const Settings* settings, io::Loop* loop, Resolver* resolver, Owner* owner,
                               int generation)
    : settings_(settings),
      loop_(loop),
      resolver_(resolver),
      owner_(owner),
      generation_(generation),
      phase_timer_(loop, [this] { OnPhaseTimeout(); }) {}

SmtpConnection::~SmtpConnection() {
  if (lookup_.has_value()) resolver_->Cancel(*lookup_);
}

void SmtpConnection::Open(Delivery* delivery) {
  delivery_ = delivery;
  phase_timer_.Set(settings_->timeouts.resolve);
  lookup_ = resolver_->Resolve(
      [this](const absl::StatusOr<std::vector<SocketAddress>>& addresses) { OnAddresses(addresses); });
}

void SmtpConnection::OnAddresses(const absl::StatusOr<std::vector<SocketAddress>>& addresses) {
  if (closed_) return;
  if (!addresses.ok()) return Fail({Kind::kUnreachable, std::string(addresses.status().message())});
  phase_timer_.Cancel();  // The connector has timers of its own.
  connector_.emplace(loop_, *addresses, settings_->timeouts.connect);
  connector_->Start([this](Connector::Result result) { OnConnected(std::move(result)); });
}

void SmtpConnection::OnConnected(Connector::Result result) {
  if (closed_) return;
  if (!result.socket.is_open()) {
    return Fail({Kind::kUnreachable, std::move(result.problem), std::nullopt,
                 result.refused ? Blame::kBusy : Blame::kMail});
  }
  server_ = std::move(result.address);
  std::optional<SmtpLogin> login = settings_->login;
  if (login.has_value()) {
    absl::StatusOr<std::string> secret = ReadSecretFile(settings_->secret_file);
    if (!secret.ok()) {
      return Fail({Kind::kRejected, std::string(secret.status().message()), std::nullopt, Blame::kSetting});
    }
    login->secret = *std::move(secret);
  }
  session_.emplace(
      settings_->tls,
      settings_->helo_name.empty() ? LocalAddressLiteral(result.socket.fd()) : settings_->helo_name,
      std::move(login));
  transport_.emplace(loop_, std::move(result.socket), static_cast<Transport::Owner*>(this));
  if (absl::Status status = transport_->Open(); !status.ok()) {
    return Fail({Kind::kUnreachable, std::string(status.message())});
  }
  Advance();
}

void SmtpConnection::OnReceived(absl::string_view bytes) {
  session_->OnReceived(bytes);
  Advance();
}

void SmtpConnection::OnDrained() {
  if (session_->phase() == Phase::kMessage) phase_timer_.Set(PhaseTimeout());
  Advance();
}

void SmtpConnection::OnTlsUp() {
  session_->OnTlsUp();
  Advance();
}

void SmtpConnection::OnTlsFailed(absl::string_view why) { Fail({Kind::kTlsFailed, std::string(why)}); }

void SmtpConnection::OnLost(absl::string_view why) {
  Fail({Kind::kProtocolError, absl::StrCat(why, ", before its reply to ", PhaseName(session_->phase()))});
}

void SmtpConnection::OnPhaseTimeout() {
  if (!session_.has_value()) {
    return Fail({Kind::kUnreachable, absl::StrCat("mail server '", settings_->server.host,
                                                  "' cannot be resolved: no answer within ",
                                                  absl::FormatDuration(settings_->timeouts.resolve))});
  }
  if (session_->phase() == Phase::kReady) return Quit();
  Fail({Kind::kTimeout, absl::StrCat("the mail server did not answer ", PhaseName(session_->phase()),
                                     " within ", absl::FormatDuration(PhaseTimeout()))});
}

void SmtpConnection::Deliver(Delivery* delivery) {
  delivery_ = delivery;
  Advance();
}

void SmtpConnection::Quit() {
  session_->Quit();
  Advance();
}

void SmtpConnection::Fail(SmtpFailure failure) {
  if (closed_) return;
  if (!session_.has_value()) {
    Return(std::move(failure));
    return Close();
  }
  session_->Fail(failure);
  // Between two transactions, and before the first, the session knows of no delivery.
  if (!in_transaction_ && is_up_ && LooksDead(failure)) {
    Return(std::nullopt);
  } else if (!in_transaction_) {
    Return(std::move(failure));
  }
  Advance();
}

void SmtpConnection::Abandon() { Fail({Kind::kCancelled, ""}); }

void SmtpConnection::Advance() {
  if (closed_) return;
  if (session_->phase() == Phase::kReady && !std::exchange(is_up_, true)) owner_->OnUp(this);
  while (session_->phase() == Phase::kReady && delivery_ != nullptr && !in_transaction_) BeginTransaction();
  transport_->Write(session_->TakeOutput());
  if (session_->phase() == Phase::kHandshake && !tls_started_) {
    tls_started_ = true;
    transport_->StartTls(std::make_unique<TlsChannel>(*settings_->tls_context, settings_->tls_name));
  }
  if (session_->phase() == Phase::kMessage) SendMessage();
  if (in_transaction_ && !session_->busy()) SettleTransaction();
  if (closed_) return;
  const Phase phase = session_->phase();
  if (!in_transaction_ && delivery_ != nullptr && session_->failure().has_value()) {
    Return(session_->failure());
  }
  if (closed_) return;
  if (phase == Phase::kClosed) return Close();
  if (session_->step() != timed_step_) {
    timed_step_ = session_->step();
    phase_timer_.Set(PhaseTimeout());
  }
  if (phase != Phase::kReady) return;
  if (delivery_ != nullptr) return Advance();  // For the next transaction.
  owner_->OnIdle(this);
}

void SmtpConnection::BeginTransaction() {
  in_transaction_ = true;
  data_.reset();
  last_chunk_.clear();
  noted_ = false;
  dot_sent_ = false;
  transaction_ = std::make_shared<int>();
  delivery_->Say(absl::StrCat(delivered_ == 0 ? "connected to " : "on an open connection to ", server_, ", ",
                              transport_->DescribeTls()));
  session_->Begin(delivery_->NextEnvelope());
  if (!session_->busy()) SettleTransaction();  // It was not even begun.
}

void SmtpConnection::SendMessage() {
  if (!data_.has_value()) {
    data_.emplace(delivery_->message());
    delivery_->SayRecipients(session_->transcript().recipient_replies);
    delivery_->NoteHandOver(
        session_->transcript().recipient_replies, server_,
        [this, weak = std::weak_ptr<int>(transaction_)](const absl::Status& status) mutable {
          loop_->Post([this, weak = std::move(weak), status] {
            if (!weak.expired()) OnNoted(status);
          });
        });
  }
  while (transport_->drained() && !data_->done()) {
    std::string chunk;
    data_->AppendTo(chunk, kChunkBytes);
    if (data_->done()) {
      last_chunk_ = std::move(chunk);
    } else {
      transport_->Write(chunk);
    }
  }
  if (!data_->done() || !noted_) return;
  if (!std::exchange(dot_sent_, true)) transport_->Write(absl::StrCat(last_chunk_, ".\r\n"));
  if (!transport_->drained()) return;
  session_->OnMessageSent();
  delivery_->Say("message handed over");
}

void SmtpConnection::OnNoted(const absl::Status& status) {
  if (!status.ok()) {
    // Somebody else has the task by now, or nothing can be kept any more.
    return Fail({Kind::kCancelled, absl::StrCat("stopped before the message was handed over: ",
                                                std::string(status.message()))});
  }
  noted_ = true;
  Advance();
}

void SmtpConnection::SettleTransaction() {
  in_transaction_ = false;
  transaction_.reset();
  data_.reset();
  const SmtpTranscript& transcript = session_->transcript();
  const auto& failure = transcript.failure;
  if (failure.has_value() && failure->blame == Blame::kSetting) return Return(failure);
  if (failure.has_value() && delivered_ > 0 && LooksDead(*failure) && !delivery_->taken_back()) {
    delivery_->TakeBack();
    return Return(std::nullopt);
  }
  if (transcript.message_reply.has_value()) {
    delivery_->Say(ToString(*transcript.message_reply));
  } else if (!transcript.recipient_replies.empty()) {
    delivery_->SayRecipients(transcript.recipient_replies);
  }
  delivery_->Add(transcript, server_);
  if (!delivery_->done()) {
    if (session_->phase() == Phase::kClosed || session_->phase() == Phase::kQuit) Return(std::nullopt);
    return;
  }
  ++delivered_;
  owner_->OnDelivered(this, std::exchange(delivery_, nullptr));
}

void SmtpConnection::Return(std::optional<SmtpFailure> failure) {
  if (delivery_ != nullptr) owner_->OnReturned(this, std::exchange(delivery_, nullptr), failure);
}

void SmtpConnection::Close() {
  if (std::exchange(closed_, true)) return;
  Return(std::nullopt);
  phase_timer_.Cancel();
  transaction_.reset();
  if (lookup_.has_value()) resolver_->Cancel(*lookup_);
  if (connector_.has_value()) connector_->Cancel();
  if (transport_.has_value()) transport_->Close();
  owner_->OnClosed(this);
}

absl::Duration SmtpConnection::PhaseTimeout() const {
  const SmtpTimeouts& timeouts = settings_->timeouts;
  switch (session_->phase()) {
    case Phase::kHandshake:
      return timeouts.handshake;
    case Phase::kGreeting:
      return timeouts.greeting;
    case Phase::kEhlo:
    case Phase::kHelo:
    case Phase::kStartTls:
    case Phase::kAuth:
      return timeouts.hello;
    case Phase::kReady:
      return timeouts.idle;
    case Phase::kMail:
    case Phase::kReset:
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
