// The moves of a task in the memory store, and what time brings about. The public calls are in
// memory_store.cc.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/store/memory/memory_store.h"
#include "server/task/duration.h"
#include "server/task/errors.h"
#include "server/task/retry.h"

namespace errand::store {

Record* MemoryStore::Find(absl::string_view name) {
  const auto it = records_.find(name);
  return it == records_.end() ? nullptr : it->second.get();
}

Record* MemoryStore::FindLeased(const Lease& lease) {
  Record* record = Find(lease.task);
  return record != nullptr && lease.token != 0 && record->lease_token == lease.token ? record : nullptr;
}

void MemoryStore::Schedule(Record* record, absl::Time due, absl::Time now, Deferred& deferred) {
  SetAlarm(record, due);
  record->Enter(v1::TASK_STATE_SCHEDULED, now);
  NotifyWatchers(record, deferred);
}

void MemoryStore::Enqueue(Record* record, bool at_front, absl::Time now, Deferred& deferred) {
  SetAlarm(record, absl::InfiniteFuture());
  if (at_front) {
    fifo_.PushFront(record);
  } else {
    fifo_.PushBack(record);
  }
  record->Enter(v1::TASK_STATE_QUEUED, now);
  NotifyWatchers(record, deferred);
}

ClaimedTask MemoryStore::Start(Record* record, const ClaimRequest& request, absl::Time now,
                               Deferred& deferred) {
  ClaimedTask claimed;
  record->lease_token = next_lease_token_++;
  record->holder = request.holder;
  record->cancel_requested = false;
  SetAlarm(record, now + request.lease_duration);
  v1::Task& output = record->output;
  output.set_attempt_count(output.attempt_count() + 1);
  *output.mutable_start_time() = task::ToProto(now);
  output.clear_progress();
  claimed.lease = {record->name(), record->lease_token};
  claimed.task = record->spec;
  claimed.attempt = output.attempt_count();
  if (output.has_result()) claimed.previous_result = output.result();
  record->Enter(v1::TASK_STATE_RUNNING, now);
  NotifyWatchers(record, deferred);
  return claimed;
}

void MemoryStore::End(Record* record, v1::TaskState state, absl::Time now, Deferred& deferred) {
  SetAlarm(record, absl::InfiniteFuture());
  record->lease_token = 0;
  record->holder = nullptr;
  *record->output.mutable_end_time() = task::ToProto(now);
  --record->queue->live_tasks;
  record->queue->live_bytes -= record->bytes;
  ended_.push_back(record);
  record->Enter(state, now);
  NotifyWatchers(record, deferred);
}

void MemoryStore::ExpireLease(Record* record, absl::Time now, Deferred& deferred) {
  const bool cancelled = record->cancel_requested;
  record->lease_token = 0;
  record->holder = nullptr;
  *record->output.mutable_error() = task::ToProto(task::Error(absl::StatusCode::kUnavailable, "LEASE_EXPIRED",
                                                              "the server that ran it stopped answering"));
  const auto backoff = task::NextBackoff(record->spec->retry_policy(), record->output.attempt_count());
  if (cancelled) {
    End(record, v1::TASK_STATE_CANCELLED, now, deferred);
  } else if (backoff.has_value()) {
    Schedule(record, now + *backoff, now, deferred);
  } else {
    End(record, v1::TASK_STATE_FAILED, now, deferred);
  }
}

void MemoryStore::Forget(Record* record, Deferred& deferred) {
  for (WaitId id : record->watchers) {
    const auto it = watchers_.find(id);
    deferred.push_back([done = std::move(it->second.done), name = record->name()]() mutable {
      done(task::NotFound("task", name));
    });
    watchers_.erase(it);
  }
  Queue* queue = record->queue;
  by_order_.erase(record->order);
  records_.erase(record->name());
  if (--queue->kept_tasks == 0) {
    const std::string name = queue->name;
    queues_.erase(name);
  }
}

void MemoryStore::SetAlarm(Record* record, absl::Time alarm) {
  if (record->alarm != absl::InfiniteFuture()) alarms_.erase({record->alarm, record->order});
  record->alarm = alarm;
  if (alarm == absl::InfiniteFuture()) return;
  alarms_.insert({alarm, record->order});
  if (alarm < alarm_thread_wakes_) alarm_changed_.Signal();
}

void MemoryStore::MatchClaims(absl::Time now, Deferred& deferred) {
  for (int kind = 0; kind < task::kHandlerKinds; ++kind) {
    auto& waiters = claims_[kind];
    while (!waiters.empty()) {
      ClaimWaiter& waiter = waiters.front();
      std::vector<ClaimedTask> claimed;
      while (static_cast<int>(claimed.size()) < waiter.request.max_tasks) {
        Record* record = fifo_.Pop(static_cast<task::HandlerKind>(kind));
        if (record == nullptr) break;
        claimed.push_back(Start(record, waiter.request, now, deferred));
      }
      if (claimed.empty()) break;
      deferred.push_back([done = std::move(waiter.done), claimed = std::move(claimed)]() mutable {
        done(std::move(claimed));
      });
      waiters.pop_front();
    }
  }
}

void MemoryStore::NotifyWatchers(Record* record, Deferred& deferred) {
  for (WaitId id : std::exchange(record->watchers, {})) {
    const auto it = watchers_.find(id);
    const WatchRequest& request = it->second.request;
    const int64_t after = std::max(request.after_sequence, record->oldest_sequence() - 1);
    deferred.push_back(
        [done = std::move(it->second.done),
         batch = record->EventsAfter(after, request.max_events)]() mutable { done(std::move(batch)); });
    watchers_.erase(it);
  }
}

void MemoryStore::ForgetOldTasks(absl::Time now, Deferred& deferred) {
  while (!ended_.empty()) {
    Record* oldest = ended_.front();
    const bool too_many = static_cast<int64_t>(ended_.size()) > options_.max_ended_tasks;
    if (!too_many && task::FromProto(oldest->output.end_time()) + options_.max_ended_age > now) break;
    ended_.pop_front();
    Forget(oldest, deferred);
  }
}

void MemoryStore::ForgetOldRequestIds(absl::Time now) {
  while (!request_id_ages_.empty() && request_id_ages_.front().first + options_.request_id_window < now) {
    request_ids_.erase(request_id_ages_.front().second);
    request_id_ages_.pop_front();
  }
}

void MemoryStore::RunAlarms() {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    const absl::Time now = Now();
    while (!alarms_.empty() && alarms_.begin()->first <= now) {
      Record* record = by_order_.at(alarms_.begin()->second);
      if (record->output.state() == v1::TASK_STATE_RUNNING) {
        ExpireLease(record, now, deferred);
      } else {
        Enqueue(record, /*at_front=*/false, now, deferred);
      }
    }
    MatchClaims(now, deferred);
    ForgetOldTasks(now, deferred);
    ForgetOldRequestIds(now);
  }
  for (auto& call : deferred) call();
}

absl::Time MemoryStore::Now() const { return options_.clock ? options_.clock() : absl::Now(); }

absl::Time MemoryStore::NextAlarm() const {
  absl::Time next = alarms_.empty() ? absl::InfiniteFuture() : alarms_.begin()->first;
  if (!ended_.empty()) {
    next = std::min(next, task::FromProto(ended_.front()->output.end_time()) + options_.max_ended_age);
  }
  return next;
}

void MemoryStore::RunAlarmThread() {
  for (;;) {
    {
      absl::MutexLock lock(&mu_);
      // Tasks that end while this waits need no signal: they are kept for longer than a look a minute.
      alarm_thread_wakes_ = std::min(NextAlarm(), absl::Now() + absl::Minutes(1));
      while (!closed_ && alarm_thread_wakes_ > absl::Now()) {
        if (!alarm_changed_.WaitWithDeadline(&mu_, alarm_thread_wakes_)) {
          alarm_thread_wakes_ = std::min(alarm_thread_wakes_, NextAlarm());
        }
      }
      if (closed_) return;
      alarm_thread_wakes_ = absl::InfinitePast();
    }
    RunAlarms();
  }
}

}  // namespace errand::store
