#include "server/executor/executor.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/synchronization/notification.h"
#include "server/task/errors.h"
#include "server/task/retry.h"

namespace errand::executor {
namespace {

// What a task's attempt becomes, except for one that was released.
store::FinishRequest Judge(const store::Lease& lease, const v1::RetryPolicy& retry_policy, int tries,
                           handlers::Outcome& outcome) {
  store::FinishRequest request;
  request.lease = lease;
  request.error = task::ToProto(outcome.status);
  request.result.Swap(&outcome.result);
  request.usage.Swap(&outcome.usage);
  if (outcome.put_off.has_value()) {
    request.verdict = store::Verdict::kPutOff;
    request.retry_delay = *outcome.put_off;
  } else if (outcome.status.ok()) {
    request.verdict = store::Verdict::kSucceeded;
  } else if (absl::IsCancelled(outcome.status)) {
    request.verdict = store::Verdict::kCancelled;
  } else {
    const auto backoff = outcome.permanent ? std::nullopt : task::NextBackoff(retry_policy, tries);
    request.verdict = backoff.has_value() ? store::Verdict::kRetry : store::Verdict::kFailed;
    request.retry_delay = backoff.value_or(absl::ZeroDuration());
  }
  return request;
}

// Whether `now` lets something start that `then` did not.
bool HasGrown(const task::Room& then, const task::Room& now) {
  if (now.tasks <= 0) return false;
  if (then.tasks <= 0) return true;
  return std::any_of(then.queues.begin(), then.queues.end(), [&now](const auto& queue) {
    if (queue.second.tasks > 0) return false;
    const auto found = now.queues.find(queue.first);
    return found == now.queues.end() || found->second.tasks > 0;
  });
}

}  // namespace

// Passes on what a handler says of one attempt.
class Executor::Observer : public handlers::AttemptObserver {
 public:
  Observer(Executor* executor, handlers::AttemptId id, std::shared_ptr<const store::Lease> lease)
      : executor_(executor), id_(id), lease_(std::move(lease)) {}

  void OnEvent(v1::TaskEvent event) override {
    std::vector<store::Report> reports(1);
    reports[0].lease = *lease_;
    reports[0].event.Swap(&event);
    executor_->store_->Append(std::move(reports));
  }

  void Keep(v1::TaskResult result, absl::AnyInvocable<void(absl::Status)> kept) override {
    std::vector<store::KeepRequest> requests(1);
    requests[0].lease = *lease_;
    requests[0].result.Swap(&result);
    executor_->store_->Keep(
        std::move(requests),
        [kept = std::move(kept)](std::vector<absl::Status> results) mutable { kept(std::move(results[0])); });
  }

  void OnDone(handlers::Outcome outcome) override { executor_->OnDone(id_, std::move(outcome)); }

 private:
  Executor* const executor_;
  const handlers::AttemptId id_;
  const std::shared_ptr<const store::Lease> lease_;
};

Executor::Executor(store::TaskStore* store, io::Loop* loop, absl::Duration lease_duration, std::string worker)
    : store_(store), loop_(loop), lease_duration_(lease_duration), worker_(std::move(worker)) {}

Executor::~Executor() {
  absl::Notification timer_gone;
  loop_->Post([this, &timer_gone] {
    lease_timer_.reset();
    timer_gone.Notify();
  });
  timer_gone.WaitForNotification();
}

void Executor::AddHandler(task::HandlerKind kind, handlers::Handler* handler, io::Loop* loop) {
  auto lane = std::make_unique<Lane>();
  lane->kind = kind;
  lane->handler = handler;
  lane->loop = loop;
  handler->WatchRoom([this, lane = lane.get()] { OnMoreRoom(lane); });
  lanes_.push_back(std::move(lane));
}

void Executor::Start() {
  {
    absl::MutexLock lock(&mu_);
    draining_ = false;
  }
  loop_->Post([this] {
    lease_timer_ = std::make_unique<io::Timer>(loop_, [this] { ExtendLeases(); });
    lease_timer_->Set(lease_duration_ / 3);
  });
  for (auto& lane : lanes_) Fill(lane.get());
}

void Executor::Drain(clock::Instant deadline) {
  std::vector<store::WaitId> claims;
  {
    absl::MutexLock lock(&mu_);
    draining_ = true;
    for (auto& lane : lanes_) {
      if (lane->claiming) claims.push_back(lane->claim);
    }
  }
  for (store::WaitId claim : claims) store_->StopWaiting(claim);
  const auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return running_.empty() && callbacks_ == 0 &&
           std::none_of(lanes_.begin(), lanes_.end(),
                        [](const auto& lane) { return lane->claiming || lane->filling; });
  };
  bool is_late = false;  // Guarded by mu_.
  std::unique_ptr<io::Timer> timer;
  loop_->Post([this, &is_late, &timer, deadline] {
    timer = std::make_unique<io::Timer>(loop_, [this, &is_late] {
      absl::MutexLock lock(&mu_);
      is_late = true;
    });
    timer->Set(deadline - clock::Instant::Now());
  });
  const auto idle_or_late = [&]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return is_late || idle(); };
  std::vector<std::pair<handlers::Handler*, handlers::AttemptId>> late;
  {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(&idle_or_late));
    if (!idle()) {
      for (auto& [id, running] : running_) {
        running.released = true;
        late.emplace_back(running.lane->handler, id);
      }
    }
  }
  absl::Notification timer_gone;
  loop_->Post([&timer, &timer_gone] {
    timer.reset();
    timer_gone.Notify();
  });
  timer_gone.WaitForNotification();
  for (auto& [handler, id] : late) handler->Abandon(id);
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(&idle));
}

void Executor::Fill(Lane* lane) {
  // Callbacks may come inline: whoever is here goes on, everybody else leaves it to them.
  {
    absl::MutexLock lock(&mu_);
    if (lane->filling) {
      lane->refill = true;
      return;
    }
    lane->filling = true;
  }
  for (;;) {
    store::ClaimRequest request;
    request.room = lane->handler->GetRoom();
    store::WaitId outdated = 0;
    {
      absl::MutexLock lock(&mu_);
      const bool look_again = std::exchange(lane->refill, false);
      if (!draining_ && lane->claiming && lane->claim != 0 && HasGrown(lane->room, request.room)) {
        outdated = std::exchange(lane->claim, 0);
        lane->outdated = true;
      } else if (draining_ || lane->closed || lane->claiming ||
                 (request.room.tasks <= 0 && request.room.held_by == v1::HELD_BY_UNSPECIFIED)) {
        if (look_again) continue;
        lane->filling = false;
        return;
      } else {
        lane->claiming = true;
        lane->claim = 0;
        lane->room = request.room;
      }
    }
    if (outdated != 0) {
      store_->StopWaiting(outdated);
      continue;
    }
    request.kind = lane->kind;
    request.lease_duration = lease_duration_;
    request.holder = this;
    request.worker = worker_;
    const store::WaitId claim = store_->Claim(
        std::move(request),
        [this, lane](std::vector<store::ClaimedTask> claimed) { OnClaimed(lane, std::move(claimed)); });
    bool stop;
    {
      absl::MutexLock lock(&mu_);
      if (lane->claiming) lane->claim = claim;
      // Drain may have come too early to know the claim.
      stop = draining_ && lane->claiming;
    }
    if (stop) store_->StopWaiting(claim);
  }
}

void Executor::OnMoreRoom(Lane* lane) {
  {
    absl::MutexLock lock(&mu_);
    ++callbacks_;
  }
  Fill(lane);
  absl::MutexLock lock(&mu_);
  --callbacks_;
}

void Executor::OnClaimed(Lane* lane, std::vector<store::ClaimedTask> claimed) {
  struct Begun {
    handlers::AttemptId id;
    uint64_t token;
  };
  std::vector<Begun> begun;
  std::vector<handlers::NewAttempt> attempts;
  begun.reserve(claimed.size());
  attempts.reserve(claimed.size());
  {
    absl::MutexLock lock(&mu_);
    ++callbacks_;
    for (store::ClaimedTask& task : claimed) {
      const auto lease = std::make_shared<const store::Lease>(std::move(task.lease));
      const handlers::AttemptId id = next_id_++;
      begun.push_back({id, lease->token});
      Running& running = running_[id];
      running.lease = lease;
      if (task.task->has_retry_policy()) {
        running.retry_policy = std::make_unique<const v1::RetryPolicy>(task.task->retry_policy());
      }
      running.tries = task.tries;
      running.lane = lane;
      handlers::NewAttempt& next = attempts.emplace_back();
      next.attempt.id = id;
      next.attempt.lease_token = lease->token;
      next.attempt.task = std::move(task.task);
      next.attempt.script = std::move(task.script);
      next.attempt.number = task.attempt;
      next.attempt.weight = task.weight;
      next.attempt.create_time = task.create_time;
      next.attempt.previous_result.Swap(&task.previous_result);
      next.observer = std::make_unique<Observer>(this, id, lease);
    }
  }
  lane->handler->StartAll(std::move(attempts));
  // Only now the handler knows them, and hears that one is to be stopped.
  std::vector<handlers::AttemptId> stopped;
  std::vector<handlers::AttemptId> abandoned;
  {
    absl::MutexLock lock(&mu_);
    for (const Begun& one : begun) {
      const bool cancelled = early_cancels_[0].erase(one.token) + early_cancels_[1].erase(one.token) > 0;
      const auto running = running_.find(one.id);
      if (running == running_.end()) continue;  // It is over.
      by_lease_[one.token] = one.id;
      if (running->second.released) {
        abandoned.push_back(one.id);
      } else if (cancelled) {
        stopped.push_back(one.id);
      }
    }
    lane->claiming = false;
    const bool withdrawn = std::exchange(lane->outdated, false);
    if (begun.empty() && !withdrawn) lane->closed = true;
  }
  for (const handlers::AttemptId id : stopped) lane->handler->Stop(id);
  for (const handlers::AttemptId id : abandoned) lane->handler->Abandon(id);
  Fill(lane);
  absl::MutexLock lock(&mu_);
  --callbacks_;
}

void Executor::OnDone(handlers::AttemptId id, handlers::Outcome outcome) {
  std::shared_ptr<const store::Lease> lease;
  std::unique_ptr<const v1::RetryPolicy> retry_policy;
  Lane* lane;
  int32_t tries;
  bool released;
  {
    absl::MutexLock lock(&mu_);
    // What Stop and Drain need of it stays.
    Running& running = running_.at(id);
    lease = running.lease;
    retry_policy = std::move(running.retry_policy);
    lane = running.lane;
    tries = running.tries;
    released = running.released;
  }
  Ended ended{id, Judge(*lease, retry_policy == nullptr ? v1::RetryPolicy() : *retry_policy, tries, outcome)};
  if (released && ended.request.verdict == store::Verdict::kCancelled) {
    ended.request.verdict = store::Verdict::kReleased;
  }
  {
    absl::MutexLock lock(&mu_);
    lane->ended.push_back(std::move(ended));
    if (lane->ended.size() > 1) return;  // Whoever came first has posted it.
    ++callbacks_;
  }
  lane->loop->Post([this, lane] { Report(lane); });
}

void Executor::Report(Lane* lane) {
  std::vector<Ended> ended;
  {
    absl::MutexLock lock(&mu_);
    ended.swap(lane->ended);
  }
  std::vector<store::FinishRequest> requests;
  requests.reserve(ended.size());
  for (Ended& one : ended) requests.push_back(std::move(one.request));
  // A stale lease: the store gave the task to somebody else, whose outcome counts.
  store_->Finish(std::move(requests), [](std::vector<absl::Status>) {});
  {
    // Only now: Drain returns when nothing is left to be reported.
    absl::MutexLock lock(&mu_);
    for (const Ended& one : ended) {
      const auto running = running_.find(one.id);
      by_lease_.erase(running->second.lease->token);
      running_.erase(running);
    }
  }
  Fill(lane);
  absl::MutexLock lock(&mu_);
  --callbacks_;
}

void Executor::OnCancelRequested(const store::Lease& lease) {
  handlers::Handler* handler;
  handlers::AttemptId id;
  {
    absl::MutexLock lock(&mu_);
    const auto it = by_lease_.find(lease.token);
    if (it == by_lease_.end()) {
      early_cancels_[0].insert(lease.token);
      return;
    }
    id = it->second;
    handler = running_.at(id).lane->handler;
  }
  handler->Stop(id);
}

void Executor::ExtendLeases() {
  std::vector<store::Lease> leases;
  std::vector<std::pair<handlers::Handler*, handlers::AttemptId>> attempts;
  {
    absl::MutexLock lock(&mu_);
    early_cancels_[1] = std::exchange(early_cancels_[0], {});
    for (const auto& [id, running] : running_) {
      leases.push_back(*running.lease);
      attempts.emplace_back(running.lane->handler, id);
    }
  }
  if (!leases.empty()) {
    store_->Extend(std::move(leases), lease_duration_,
                   [attempts = std::move(attempts)](std::vector<absl::Status> results) {
                     for (size_t i = 0; i < results.size(); ++i) {
                       // Somebody else runs the task by now, or it has just ended.
                       if (absl::IsFailedPrecondition(results[i]))
                         attempts[i].first->Stop(attempts[i].second);
                     }
                   });
  }
  lease_timer_->Set(lease_duration_ / 3);
}

}  // namespace errand::executor
