#include "server/handlers/email/email_handler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/clock/moment.h"

namespace errand::handlers {
namespace {

using Kind = SmtpFailure::Kind;

// When a task comes again whose profile is not there any more: somebody may bring it back.
constexpr absl::Duration kNoProfileDelay = absl::Minutes(1);

SmtpFailure Stopped() { return {Kind::kCancelled, "stopped before the message was handed over"}; }

}  // namespace

absl::StatusOr<std::unique_ptr<EmailHandler>> EmailHandler::Create(const EmailHandlerOptions& options,
                                                                   io::Loop* loop) {
  if (options.profiles.empty()) return absl::InvalidArgumentError("there must be a mail profile");
  std::vector<std::unique_ptr<SmtpPool::Settings>> all;
  for (const SmtpProfile& profile : options.profiles) {
    auto settings = PoolSettings(profile);
    if (!settings.ok()) {
      return absl::Status(settings.status().code(),
                          absl::StrCat("mail profile '", profile.name, "': ", settings.status().message()));
    }
    for (const auto& other : all) {
      if (other->name != profile.name) continue;
      return absl::InvalidArgumentError(absl::StrCat("there are two mail profiles '", profile.name, "'"));
    }
    all.push_back(*std::move(settings));
  }
  return std::unique_ptr<EmailHandler>(new EmailHandler(std::move(all), options.destructor_patience, loop));
}

EmailHandler::EmailHandler(std::vector<std::unique_ptr<SmtpPool::Settings>> settings,
                           absl::Duration destructor_patience, io::Loop* loop)
    : destructor_patience_(destructor_patience), loop_(loop) {
  for (auto& one : settings) {
    Profile& profile = profiles_[one->name];
    profile.settings = std::move(one);
    profile.pool =
        std::make_unique<SmtpPool>(profile.settings.get(), loop, static_cast<SmtpPool::Owner*>(this));
  }
}

EmailHandler::~EmailHandler() {
  absl::Notification all_ended;
  loop_->Post([this, &all_ended] {
    all_ended_ = &all_ended;
    last_timer_ = std::make_unique<io::Timer>(loop_, [this] { StopEverything(false); });
    last_timer_->Set(destructor_patience_);
    StopEverything(true);
    CloseWhenDone();
  });
  all_ended.WaitForNotification();
}

SmtpPool* EmailHandler::PoolOf(const std::string& profile) const {
  const auto found = profiles_.find(profile.empty() ? "default" : profile);
  return found == profiles_.end() ? nullptr : found->second.pool.get();
}

task::Room EmailHandler::GetRoom() {
  task::Room room;
  room.tasks = 0;
  bool trouble = false;
  for (const auto& [name, profile] : profiles_) {
    room.tasks += profile.pool->room();
    trouble |= profile.pool->in_trouble();
  }
  if (trouble) room.held_by = v1::HELD_BY_MAIL_SERVER;
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
  for (const NewAttempt& one : attempts) {
    SmtpPool* const pool = PoolOf(one.attempt.task->email().profile());
    if (pool != nullptr) pool->CountUnderWay(1);
  }
  // Made on the loop: a timer belongs to one thread.
  loop_->Post([this, attempts = std::move(attempts), started = clock::Moment::Now()]() mutable {
    for (NewAttempt& one : attempts) Begin(std::move(one), started);
  });
}

void EmailHandler::Begin(NewAttempt one, clock::Moment started) {
  SmtpPool* const pool = PoolOf(one.attempt.task->email().profile());
  auto made = std::make_unique<Delivery>(loop_, static_cast<Delivery::Owner*>(this), std::move(one.attempt),
                                         pool == nullptr ? "" : pool->settings().message_id_domain,
                                         std::move(one.observer), started);
  Delivery* const delivery = made.get();
  if (pool == nullptr) return delivery->PutOff(kNoProfileDelay);
  // A single profile has the room that it said it has.
  const absl::Duration delay = profiles_.size() > 1 ? pool->Crowded() : absl::ZeroDuration();
  if (delay > absl::ZeroDuration()) {
    pool->CountUnderWay(-1);
    return delivery->PutOff(delay);
  }
  deliveries_.emplace(delivery->id(), std::move(made));
  if (delivery->done()) return OnDone(delivery);  // The attempt before has served everybody.
  pool->Add(delivery);
}

void EmailHandler::Stop(AttemptId id) { Stop(id, /*unless_handed_over=*/true); }

void EmailHandler::Abandon(AttemptId id) { Stop(id, /*unless_handed_over=*/false); }

void EmailHandler::Stop(AttemptId id, bool unless_handed_over) {
  loop_->Post([this, id, unless_handed_over] {
    const auto entry = deliveries_.find(id);
    if (entry == deliveries_.end()) return;
    Delivery* const delivery = entry->second.get();
    PoolOf(delivery->profile())->End(delivery, Stopped(), unless_handed_over);
  });
}

void EmailHandler::StopEverything(bool unless_handed_over) {
  // Ending one may end others.
  std::vector<AttemptId> ids;
  for (const auto& [id, delivery] : deliveries_) ids.push_back(id);
  for (const AttemptId id : ids) {
    const auto entry = deliveries_.find(id);
    if (entry == deliveries_.end()) continue;
    Delivery* const delivery = entry->second.get();
    PoolOf(delivery->profile())->End(delivery, Stopped(), unless_handed_over);
  }
}

void EmailHandler::OnRunTimeout(Delivery* delivery) {
  PoolOf(delivery->profile())
      ->End(delivery,
            {Kind::kRunTimeout, absl::StrCat("the attempt took longer than its run_timeout of ",
                                             absl::FormatDuration(delivery->run_timeout()))},
            /*unless_handed_over=*/false);
}

void EmailHandler::OnDone(Delivery* delivery) {
  PoolOf(delivery->profile())->CountUnderWay(-1);
  const auto done = deliveries_.extract(delivery->id());
  delivery->Report();
  CloseWhenDone();
}

void EmailHandler::CloseWhenDone() {
  if (all_ended_ == nullptr || !deliveries_.empty()) return;
  for (const auto& [name, profile] : profiles_) profile.pool->CloseAll();
}

void EmailHandler::OnEmpty() {
  if (++empty_pools_ < profiles_.size()) return;
  last_timer_ = nullptr;
  // From outside of the pool's own call.
  loop_->Post([this] {
    for (auto& [name, profile] : profiles_) profile.pool = nullptr;
    // Nothing may follow: the destructor goes on, and this object with it.
    all_ended_->Notify();
  });
}

}  // namespace errand::handlers
