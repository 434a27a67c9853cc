#include "server/handlers/email/email_handler.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/clock/moment.h"
#include "server/task/email_address.h"

namespace errand::handlers {
namespace {

std::string SystemHostName() {
  char name[256] = "";
  if (gethostname(name, sizeof name - 1) != 0 || !task::IsMailDomain(name)) return "localhost";
  return name;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EmailHandler>> EmailHandler::Create(EmailHandlerOptions options,
                                                                   io::Loop* loop) {
  Delivery::Settings settings;
  absl::StatusOr<ServerAddress> server = ParseServerAddress(options.server);
  if (!server.ok()) return server.status();
  settings.server = *std::move(server);
  settings.tls = options.tls;
  if (options.tls != TlsMode::kNone) {
    absl::StatusOr<std::unique_ptr<TlsContext>> context = TlsContext::Create(options.ca_file);
    if (!context.ok()) return context.status();
    settings.tls_context = *std::move(context);
  }
  settings.helo_name = options.helo_name.empty() ? SystemHostName() : std::move(options.helo_name);
  if (!task::IsMailDomain(settings.helo_name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("HELO name '", settings.helo_name, "' must be a host name or an address literal"));
  }
  settings.timeouts = options.timeouts;
  if (options.connections < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("mail connections must be at least 1, not ", options.connections));
  }
  return std::unique_ptr<EmailHandler>(
      new EmailHandler(std::move(settings), options.connections, options.destructor_patience, loop));
}

EmailHandler::EmailHandler(Delivery::Settings settings, int connections, absl::Duration destructor_patience,
                           io::Loop* loop)
    : settings_(std::move(settings)),
      connections_(connections),
      destructor_patience_(destructor_patience),
      loop_(loop) {}

EmailHandler::~EmailHandler() {
  absl::Notification all_ended;
  loop_->Post([this, &all_ended] {
    all_ended_ = &all_ended;
    std::vector<Delivery*> running;  // Stopping one takes it out of running_.
    for (const auto& [id, delivery] : running_) running.push_back(delivery.get());
    for (Delivery* delivery : running) delivery->Stop(destructor_patience_);
    ScheduleReap();
  });
  all_ended.WaitForNotification();
}

void EmailHandler::Start(Attempt attempt, std::unique_ptr<AttemptObserver> observer) {
  under_way_.fetch_add(1, std::memory_order_relaxed);
  // Made on the loop: a descriptor, a timer and the GMime objects of a message belong to one thread.
  loop_->Post([this, attempt = std::move(attempt), observer = std::move(observer),
               started = clock::Moment::Now()]() mutable {
    Begin(std::make_unique<Delivery>(&settings_, loop_, static_cast<Delivery::Owner*>(this),
                                     std::move(attempt), std::move(observer), started));
  });
}

void EmailHandler::Begin(std::unique_ptr<Delivery> delivery) {
  // A connection that only waits for the reply to QUIT must not make it one too many for the server.
  while (!leaving_.empty() && running_.size() + leaving_.size() >= static_cast<size_t>(connections_)) {
    leaving_.front()->Abandon();
  }
  Delivery* const started = delivery.get();
  running_.emplace(started->id(), std::move(delivery));
  started->Start();
}

void EmailHandler::Stop(AttemptId id) { Stop(id, absl::InfiniteDuration()); }

void EmailHandler::Abandon(AttemptId id) { Stop(id, absl::ZeroDuration()); }

void EmailHandler::Stop(AttemptId id, absl::Duration patience) {
  loop_->Post([this, id, patience] {
    const auto entry = running_.find(id);
    if (entry != running_.end()) entry->second->Stop(patience);
  });
}

void EmailHandler::OnSettled(Delivery* delivery) {
  under_way_.fetch_sub(1, std::memory_order_relaxed);
  const auto entry = running_.find(delivery->id());
  leaving_.push_back(std::move(entry->second));
  running_.erase(entry);
  if (all_ended_ != nullptr) ScheduleReap();
}

void EmailHandler::OnClosed(Delivery* delivery) {
  const auto entry = std::find_if(leaving_.begin(), leaving_.end(),
                                  [delivery](const auto& owned) { return owned.get() == delivery; });
  ended_.push_back(std::move(*entry));
  leaving_.erase(entry);
  ScheduleReap();
}

void EmailHandler::ScheduleReap() {
  if (std::exchange(reap_scheduled_, true)) return;
  loop_->Post([this] { Reap(); });
}

void EmailHandler::Reap() {
  if (all_ended_ != nullptr) {
    while (!leaving_.empty()) leaving_.front()->Abandon();  // Nobody is left to wait for a QUIT.
  }
  reap_scheduled_ = false;
  ended_.clear();
  // Nothing may follow: the destructor goes on, and this object with it.
  if (all_ended_ != nullptr && running_.empty()) all_ended_->Notify();
}

}  // namespace errand::handlers
