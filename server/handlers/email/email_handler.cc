#include "server/handlers/email/email_handler.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/clock/moment.h"
#include "server/task/duration.h"
#include "server/task/email_address.h"

namespace errand::handlers {
namespace {

using Kind = SmtpFailure::Kind;

// Empty where the system has no name that a mail server could look up.
std::string SystemHostName() {
  char name[256] = "";
  if (gethostname(name, sizeof name - 1) != 0 || !task::IsMailDomain(name)) return "";
  return absl::string_view(name).find('.') == absl::string_view::npos ? "" : name;
}

SmtpFailure Stopped() { return {Kind::kCancelled, "stopped before the message was handed over"}; }

}  // namespace

absl::StatusOr<std::unique_ptr<EmailHandler>> EmailHandler::Create(EmailHandlerOptions options,
                                                                   io::Loop* loop) {
  SmtpPool::Settings settings;
  absl::StatusOr<ServerAddress> server = ParseServerAddress(options.server);
  if (!server.ok()) return server.status();
  settings.connection.server = *std::move(server);
  settings.connection.tls = options.tls;
  settings.connection.tls_name = settings.connection.server.host;
  if (options.tls != TlsMode::kNone) {
    absl::StatusOr<std::unique_ptr<TlsContext>> context = TlsContext::Create(options.ca_file);
    if (!context.ok()) return context.status();
    settings.connection.tls_context = *std::move(context);
  }
  if (!options.helo_name.empty() && !task::IsMailDomain(options.helo_name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("HELO name '", options.helo_name, "' must be a host name or an address literal"));
  }
  settings.connection.helo_name = options.helo_name.empty() ? SystemHostName() : std::move(options.helo_name);
  settings.connection.timeouts = options.timeouts;
  if (options.connections < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("mail connections must be at least 1, not ", options.connections));
  }
  settings.connections = options.connections;
  if (options.mails_a_connection < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("mails a connection must be at least 1, not ", options.mails_a_connection));
  }
  settings.mails_a_connection = options.mails_a_connection;
  settings.unreachable_after = options.unreachable_after;
  settings.first_wait = options.first_wait;
  return std::unique_ptr<EmailHandler>(
      new EmailHandler(std::move(settings), options.destructor_patience, loop));
}

EmailHandler::EmailHandler(SmtpPool::Settings settings, absl::Duration destructor_patience, io::Loop* loop)
    : settings_(std::move(settings)),
      destructor_patience_(destructor_patience),
      loop_(loop),
      pool_(std::make_unique<SmtpPool>(&settings_, loop, static_cast<SmtpPool::Owner*>(this))) {}

EmailHandler::~EmailHandler() {
  absl::Notification all_ended;
  loop_->Post([this, &all_ended] {
    all_ended_ = &all_ended;
    last_timer_ = std::make_unique<io::Timer>(loop_, [this] { StopEverything(false); });
    last_timer_->Set(destructor_patience_);
    StopEverything(true);
    if (deliveries_.empty()) pool_->CloseAll();
  });
  all_ended.WaitForNotification();
}

task::Room EmailHandler::GetRoom() {
  task::Room room;
  room.tasks = std::max(0, pool_->limit() - under_way_.load(std::memory_order_relaxed));
  if (pool_->in_trouble()) room.held_by = v1::HELD_BY_MAIL_SERVER;
  return room;
}

void EmailHandler::OnRoom() {
  if (more_room_ && all_ended_ == nullptr) more_room_();
}

void EmailHandler::Start(Attempt attempt, std::unique_ptr<AttemptObserver> observer) {
  std::vector<NewAttempt> attempts;
  attempts.push_back({std::move(attempt), std::move(observer)});
  StartAll(std::move(attempts));
}

void EmailHandler::StartAll(std::vector<NewAttempt> attempts) {
  under_way_.fetch_add(static_cast<int>(attempts.size()), std::memory_order_relaxed);
  // Made on the loop: a timer belongs to one thread.
  loop_->Post([this, attempts = std::move(attempts), started = clock::Moment::Now()]() mutable {
    for (NewAttempt& one : attempts) {
      auto made = std::make_unique<Delivery>(loop_, static_cast<Delivery::Owner*>(this),
                                             std::move(one.attempt), std::move(one.observer), started);
      Delivery* const delivery = made.get();
      deliveries_.emplace(delivery->id(), std::move(made));
      if (delivery->done()) {  // The attempt before has served everybody.
        OnDone(delivery);
      } else {
        pool_->Add(delivery);
      }
    }
  });
}

void EmailHandler::Stop(AttemptId id) { Stop(id, /*unless_handed_over=*/true); }

void EmailHandler::Abandon(AttemptId id) { Stop(id, /*unless_handed_over=*/false); }

void EmailHandler::Stop(AttemptId id, bool unless_handed_over) {
  loop_->Post([this, id, unless_handed_over] {
    const auto entry = deliveries_.find(id);
    if (entry != deliveries_.end()) pool_->End(entry->second.get(), Stopped(), unless_handed_over);
  });
}

void EmailHandler::StopEverything(bool unless_handed_over) {
  std::vector<Delivery*> deliveries;  // Stopping one takes it out of deliveries_.
  for (const auto& [id, delivery] : deliveries_) deliveries.push_back(delivery.get());
  for (Delivery* delivery : deliveries) pool_->End(delivery, Stopped(), unless_handed_over);
}

void EmailHandler::OnRunTimeout(Delivery* delivery) {
  pool_->End(delivery,
             {Kind::kRunTimeout, absl::StrCat("the attempt took longer than its run_timeout of ",
                                              absl::FormatDuration(delivery->run_timeout()))},
             /*unless_handed_over=*/false);
}

void EmailHandler::OnDone(Delivery* delivery) {
  under_way_.fetch_sub(1, std::memory_order_relaxed);
  const auto done = deliveries_.extract(delivery->id());
  delivery->Report();
  if (all_ended_ != nullptr && deliveries_.empty()) pool_->CloseAll();
}

void EmailHandler::OnEmpty() {
  last_timer_ = nullptr;
  pool_ = nullptr;
  // Nothing may follow: the destructor goes on, and this object with it.
  all_ended_->Notify();
}

}  // namespace errand::handlers
