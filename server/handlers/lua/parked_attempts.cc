#include "server/handlers/lua/parked_attempts.h"

#include <algorithm>

namespace errand::handlers {

ParkedAttempts::Due ParkedAttempts::DueOf(const LuaAttempt& attempt) {
  const bool sleeps = attempt.why_parked() == sandbox::Why::kSleeps;
  return {sleeps ? std::min(attempt.wake_time(), attempt.deadline()) : attempt.deadline(), attempt.id()};
}

void ParkedAttempts::Add(std::unique_ptr<LuaAttempt> attempt) {
  bytes_ += attempt->bytes() + kBytesAnAttempt;
  due_.insert(DueOf(*attempt));
  const AttemptId id = attempt->id();
  attempts_[id] = std::move(attempt);
}

std::unique_ptr<LuaAttempt> ParkedAttempts::Take(AttemptId id) {
  const auto found = attempts_.find(id);
  if (found == attempts_.end()) return nullptr;
  std::unique_ptr<LuaAttempt> attempt = std::move(found->second);
  attempts_.erase(found);
  due_.erase(DueOf(*attempt));
  bytes_ -= attempt->bytes() + kBytesAnAttempt;
  return attempt;
}

std::vector<std::unique_ptr<LuaAttempt>> ParkedAttempts::TakeAll() {
  std::vector<std::unique_ptr<LuaAttempt>> all;
  for (auto& [id, attempt] : attempts_) all.push_back(std::move(attempt));
  attempts_.clear();
  due_.clear();
  bytes_ = 0;
  return all;
}

std::unique_ptr<LuaAttempt> ParkedAttempts::TakeDue(absl::Duration now) {
  if (due_.empty() || due_.begin()->first > now) return nullptr;
  return Take(due_.begin()->second);
}

absl::Duration ParkedAttempts::NextDue() const {
  return due_.empty() ? absl::InfiniteDuration() : due_.begin()->first;
}

}  // namespace errand::handlers
