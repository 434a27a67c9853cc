// How LuaHandler's workers come and go.
#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "server/handlers/lua/lua_handler.h"
#include "server/handlers/lua/lua_worker.h"
#include "spdlog/spdlog.h"

namespace errand::handlers {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(10);
constexpr absl::Duration kMinBackoff = absl::Milliseconds(100);
constexpr absl::Duration kMaxBackoff = absl::Seconds(5);
constexpr int kHopeless = 3;  // So many failures to start in a row, and attempts no longer wait.

}  // namespace

void LuaHandler::StartMissing() {
  for (;;) {
    LuaWorker* worker;
    {
      absl::MutexLock lock(&mu_);
      if (closing_ || backoff_->is_set() || Available() >= options_.workers + options_.spares) return;
      workers_.push_back(std::make_unique<LuaWorker>(*this));
      worker = workers_.back().get();
    }
    zygote_->Fork(worker, [this, worker](absl::StatusOr<std::shared_ptr<SandboxProcess>> forked) {
      OnForked(worker, std::move(forked));
    });
  }
}

void LuaHandler::OnForked(LuaWorker* worker, absl::StatusOr<std::shared_ptr<SandboxProcess>> forked) {
  if (!forked.ok()) {
    {
      absl::MutexLock lock(&mu_);
      if (closing_) return;
      Remove(*worker);
    }
    OnWorkerFailed(forked.status());
    return;
  }
  SandboxProcess* const process = forked->get();
  worker->start_timeout = std::make_unique<io::Timer>(loop_, [process] { process->Kill(); });
  worker->start_timeout->Set(kStartTimeout);
  absl::MutexLock lock(&mu_);
  worker->process = *std::move(forked);
}

void LuaHandler::OnWorkerFailed(const absl::Status& why) {
  if (!backoff_->is_set()) {  // Several that were started together fail together: that counts once.
    const absl::Duration wait = std::min(kMaxBackoff, kMinBackoff * (1 << std::min(failures_, 10)));
    ++failures_;
    spdlog::error("{}; trying again in {} ms", std::string(why.message()), absl::ToInt64Milliseconds(wait));
    backoff_->Set(wait);
  }
  std::vector<std::unique_ptr<LuaAttempt>> hopeless;
  {
    absl::MutexLock lock(&mu_);
    if (any_ready_ && failures_ < kHopeless) return;
    start_failure_ = why;
    const bool others = std::any_of(workers_.begin(), workers_.end(), [](const auto& worker) {
      return worker->state != LuaWorker::State::kEnding;
    });
    if (!others) {
      for (const Ready& ready : shares_.TakeAll()) hopeless.push_back(TakeOut(ready.attempt));
    }
  }
  for (const auto& attempt : hopeless) attempt->FinishUnstartable(why);
}

void LuaHandler::OnWorkerReady(LuaWorker& worker, const sandbox::Frame& frame) {
  if (!std::holds_alternative<sandbox::Ready>(frame)) {
    worker.process->Kill();
    return;
  }
  worker.start_timeout = nullptr;
  failures_ = 0;
  absl::MutexLock lock(&mu_);
  start_failure_ = absl::OkStatus();
  any_ready_ = true;
  BecomeIdle(worker);
  Dispatch();
}

int LuaHandler::Available() const {
  return static_cast<int>(std::count_if(workers_.begin(), workers_.end(),
                                        [](const auto& worker) { return worker->is_available(); }));
}

void LuaHandler::BecomeIdle(LuaWorker& worker) {
  worker.state = LuaWorker::State::kIdle;
  // One that was held comes back, and another has its place.
  if (Available() > options_.workers + options_.spares) {
    Kill(worker);
  } else {
    idle_.push_back(&worker);
  }
}

std::unique_ptr<LuaWorker> LuaHandler::Remove(LuaWorker& worker) {
  idle_.erase(std::remove(idle_.begin(), idle_.end(), &worker), idle_.end());
  const auto found = std::find_if(workers_.begin(), workers_.end(),
                                  [&worker](const auto& other) { return other.get() == &worker; });
  std::unique_ptr<LuaWorker> removed = std::move(*found);
  workers_.erase(found);
  return removed;
}

void LuaHandler::OnDeath(LuaWorker& worker, const SandboxProcess::Death& death) {
  std::unique_ptr<LuaWorker> dead;
  std::vector<std::unique_ptr<LuaAttempt>> over;
  {
    absl::MutexLock lock(&mu_);
    dead = Remove(worker);
    if (dead->holding != LuaWorker::Holding::kNone) LetGo(*dead);
    EndBatch(*dead);
    // Whom it had told of is not in the batch any more. Of the others the first one ran, as a rule; but what
    // it had gathered may be lost, so those that cannot be told apart run again, each alone. Unless the
    // handler has killed it, for one that may have ended at the same moment: the others did nothing.
    const bool killed = dead->state == LuaWorker::State::kEnding;
    const bool blamed = !killed && dead->batch.size() == 1;
    const absl::Duration now = LuaAttempt::MonotonicNow();
    for (; !dead->batch.empty(); dead->batch.pop_back()) {
      LuaAttempt* const attempt = dead->batch.back();
      Share& share = attempt->share();
      --share.fed;
      --fed_;
      if (blamed || attempt->kill_reason() != KillReason::kNone) {
        if (attempt == dead->batch.front())
          shares_.Correct(share, now - dead->turn_start - attempt->expected());
        over.push_back(TakeOut(attempt));
      } else {
        if (!killed) attempt->set_alone();
        shares_.Correct(share, -attempt->expected());
        shares_.AddFirst(share, {attempt, now});
      }
    }
  }
  if (dead->state == LuaWorker::State::kStarting) {
    OnWorkerFailed(
        absl::UnavailableError(absl::StrCat("a sandbox process ", death.reason, " before it was ready")));
  } else {
    if (dead->state == LuaWorker::State::kIdle) spdlog::warn("an idle sandbox {}", death.reason);
    StartMissing();
  }
  for (const auto& attempt : over) attempt->FinishDead(death);
  absl::MutexLock lock(&mu_);
  Dispatch();
}

void LuaHandler::ShutDown() {
  std::vector<std::unique_ptr<LuaWorker>> workers;
  std::vector<std::unique_ptr<LuaAttempt>> rest;
  {
    absl::MutexLock lock(&mu_);
    closing_ = true;
    workers.swap(workers_);
    idle_.clear();
    shares_.TakeAll();
    rest = parked_.TakeAll();
    const auto is_fed = [&workers](const LuaAttempt& attempt) {
      return std::any_of(workers.begin(), workers.end(),
                         [&attempt](const auto& worker) { return worker->Find(attempt.id()) != nullptr; });
    };
    // What processes hold is ended with them.
    rest.erase(std::remove_if(rest.begin(), rest.end(),
                              [&](std::unique_ptr<LuaAttempt>& attempt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
                                if (!is_fed(*attempt)) return false;
                                const AttemptId id = attempt->id();
                                in_hand_[id] = std::move(attempt);
                                return true;
                              }),
               rest.end());
    for (auto& [id, attempt] : in_hand_) {
      attempt->set_kill_reason(KillReason::kStopped);
      if (!is_fed(*attempt)) rest.push_back(std::move(attempt));
    }
  }
  backoff_ = nullptr;
  clock_ = nullptr;
  self_ = nullptr;
  for (const auto& worker : workers) zygote_->Forget(worker.get());
  for (const auto& worker : workers) {
    if (worker->process != nullptr) worker->process->Kill();
  }
  for (const auto& worker : workers) {
    worker->start_timeout = nullptr;
    if (worker->process == nullptr) continue;
    const SandboxProcess::Death death = worker->process->End();
    for (LuaAttempt* attempt : worker->batch) attempt->FinishDead(death);
  }
  for (const auto& attempt : rest) {
    attempt->set_kill_reason(KillReason::kStopped);
    attempt->FinishElsewhere();
  }
  absl::MutexLock lock(&mu_);
  in_hand_.clear();
}

}  // namespace errand::handlers
