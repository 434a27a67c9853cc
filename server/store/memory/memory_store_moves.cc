// The moves of a task in the memory store, and what time brings about.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/store/memory/answer.h"
#include "server/store/memory/memory_store.h"
#include "server/task/duration.h"
#include "server/task/errors.h"
#include "server/task/retry.h"

namespace errand::store {
Record* MemoryStore::Find(absl::string_view name) { return records_.Find(name); }

Record* MemoryStore::FindLeased(const Lease& lease) {
  Record* record = Find(lease.task);
  const bool holds = record != nullptr && lease.token != 0 && record->history != nullptr &&
                     record->history->lease_token == lease.token;
  return holds ? record : nullptr;
}

void MemoryStore::Schedule(Record* record, absl::Time due, absl::Time now, Deferred& deferred) {
  SetAlarm(record, std::min(due, record->expires()));
  record->Enter(v1::TASK_STATE_SCHEDULED, now, due);
  LogMoved(*record, now, due);
  Recount(*record);
  NotifyWatchers(record, deferred);
}

void MemoryStore::Enqueue(Record* record, bool again, absl::Time now, Deferred& deferred) {
  SetAlarm(record, record->expires());
  if (!again) record->position = next_position_++;
  if (record->history != nullptr) record->history->queued_time = now;
  record->Enter(v1::TASK_STATE_QUEUED, now);
  LogMoved(*record, now);
  const KeyLine* const line = record->key_line();
  const bool first_of_key = line == nullptr || line->tasks.begin()->second == record;
  if (first_of_key) {
    record->queue->lines[static_cast<size_t>(record->kind)].Add(record);
    turns_.Offer(record->queue);
  }
  Recount(*record);
  NotifyWatchers(record, deferred);
}

void MemoryStore::DropLease(Record* record) {
  if (record->history == nullptr || record->history->lease_token == 0) return;
  record->history->lease_token = 0;
  record->history->holder = nullptr;
  // Where `max_running` held it back. Its task counts as running until it has entered its next state.
  turns_.Offer(record->queue);
}

void MemoryStore::End(Record* record, v1::TaskState state, absl::Time now, Deferred& deferred) {
  Queue* queue = record->queue;
  SetAlarm(record, absl::InfiniteFuture());
  if (record->waiting) queue->lines[static_cast<size_t>(record->kind)].Remove(record);
  DropLease(record);
  DropBody(record);
  record->Grown().output.end = now;
  record->Enter(state, now);
  queue->live_bytes -= record->bytes();
  queue->finished.Add(now);
  record->position = next_position_++;
  LogMoved(*record, now);
  queue->ended.emplace_hint(queue->ended.end(), record->position, record);
  ended_.emplace_hint(ended_.end(), record->position, record);
  LeaveKeyLine(record);
  if (record->lineage() != nullptr) {
    lineages_.Ended(record->lineage());
    LogUncancelled();
  }
  Recount(*record);
  NotifyWatchers(record, deferred);
  if (queue->settings.has_retention()) ended_in_.push_back(queue);
}

void MemoryStore::Expire(Record* record, absl::Time now, Deferred& deferred) {
  record->Grown().output.error = KeepError(task::ToProto(task::Error(
      absl::StatusCode::kDeadlineExceeded, "EXPIRED", "the task had not started before its expire_time")));
  End(record, v1::TASK_STATE_EXPIRED, now, deferred);
}

void MemoryStore::ExpireLease(Record* record, absl::Time now, Deferred& deferred) {
  History& past = *record->history;
  const bool cancelled = past.cancel_requested;
  DropLease(record);
  past.output.error = KeepError(task::ToProto(task::Error(absl::StatusCode::kUnavailable, "LEASE_EXPIRED",
                                                          "the server that ran it stopped answering")));
  record->EndAttempt(past.output.error, KeptUsage(), now);
  const absl::StatusOr<v1::Task> asked = ReadTask(*record);
  const auto backoff =
      asked.ok() ? task::NextBackoff(asked->retry_policy(), past.tries) : std::optional<absl::Duration>();
  if (cancelled) {
    End(record, v1::TASK_STATE_CANCELLED, now, deferred);
  } else if (backoff.has_value()) {
    Schedule(record, now + *backoff, now, deferred);
  } else {
    End(record, v1::TASK_STATE_FAILED, now, deferred);
  }
}

void MemoryStore::Forget(Record* record, Deferred& deferred) {
  LogForgotten(*record);
  CountGone(*record);
  Queue* queue = record->queue;
  if (record->history != nullptr) {
    for (WaitId id : record->history->watchers) {
      const auto it = watchers_.find(id);
      deferred.push_back(Answer(std::move(it->second.done),
                                absl::StatusOr<EventBatch>(task::NotFound("task", record->name()))));
      watchers_.erase(it);
    }
  }
  if (record->ended()) {
    queue->ended.erase(record->position);
    ended_.erase(record->position);
  } else {
    SetAlarm(record, absl::InfiniteFuture());
    if (record->waiting) queue->lines[static_cast<size_t>(record->kind)].Remove(record);
    queue->live_bytes -= record->bytes();
    LeaveKeyLine(record);
  }
  if (Lineage* const place = record->lineage(); place != nullptr) {
    lineages_.Forgotten(place, /*lived=*/!record->ended());
    LogUncancelled();
  }
  queue->Moved(record->state, v1::TASK_STATE_UNSPECIFIED);
  queue->records.erase(record->order);
  if (record->has_script) scripts_.Release(record->script());
  if (record->body != nullptr) body_bytes_ -= record->body_size;
  kept_bytes_ -= record->logged_bytes;
  records_.Erase(*record);
  DisposeOf(queue);
}

void MemoryStore::JoinKeyLine(Record* record) {
  const std::string key(record->ordering_key());
  if (key.empty()) return;
  std::unique_ptr<KeyLine>& line = record->queue->keys[key];
  if (line == nullptr) line = std::make_unique<KeyLine>(KeyLine{key, {}});
  History& history = record->Grown();
  history.key_line = line.get();
  history.key_position = next_position_++;
  line->tasks.emplace_hint(line->tasks.end(), history.key_position, record);
}

void MemoryStore::LeaveKeyLine(Record* record) {
  KeyLine* const line = record->key_line();
  if (line == nullptr) return;
  record->history->key_line = nullptr;
  line->tasks.erase(record->history->key_position);
  if (line->tasks.empty()) {
    record->queue->keys.erase(record->queue->keys.find(line->key));
    return;
  }
  Record* first = line->tasks.begin()->second;
  if (first->state != v1::TASK_STATE_QUEUED || first->waiting) return;
  first->queue->lines[static_cast<size_t>(first->kind)].Add(first);
  turns_.Offer(first->queue);
}

void MemoryStore::SetAlarm(Record* record, absl::Time alarm) {
  if (record->history == nullptr && alarm == absl::InfiniteFuture()) return;
  OptionalTime& own = record->Grown().alarm;
  if (own.get() != absl::InfiniteFuture()) alarms_.erase({own.get(), record->order, record, nullptr});
  own = alarm;
  if (alarm == absl::InfiniteFuture()) return;
  alarms_.insert({own.get(), record->order, record, nullptr});
  AlarmChanged(alarm);
}

void MemoryStore::AlarmChanged(absl::Time alarm) {
  if (alarm < alarm_thread_wakes_) alarm_changed_.Signal();
}

void MemoryStore::NotifyWatchers(Record* record, Deferred& deferred) {
  if (record->history != nullptr) {
    for (WaitId id : std::exchange(record->history->watchers, {})) {
      const auto it = watchers_.find(id);
      const WatchRequest& request = it->second.request;
      const int64_t after = std::max(request.after_sequence, record->oldest_sequence() - 1);
      deferred.push_back(Answer(
          std::move(it->second.done),
          absl::StatusOr<EventBatch>(record->EventsAfter(after, request.max_events, request.max_bytes))));
      watchers_.erase(it);
    }
  }
  Queue* queue = record->queue;
  for (WaitId id : std::exchange(queue->watchers, {})) {
    const auto it = queue_watchers_.find(id);
    const WatchQueueRequest& request = it->second.request;
    deferred.push_back(Answer(std::move(it->second.done),
                              absl::StatusOr<QueueEventBatch>(queue->log->Read(
                                  request.after_position, request.max_events, request.max_bytes))));
    queue_watchers_.erase(it);
  }
}

void MemoryStore::ForgetOldTasks(absl::Time now, Deferred& deferred) {
  for (Queue* queue : ended_in_) ForgetOldTasksOf(queue, now, deferred);
  ended_in_.clear();
  while (!ended_.empty()) {
    Record* oldest = ended_.begin()->second;
    const bool too_many =
        static_cast<int64_t>(ended_.size()) > options_.max_ended_tasks || budget_.IsOver(Kept::kEnded);
    const absl::Time end = oldest->history->output.end.get();
    if (!too_many && end + options_.max_ended_age > now) break;
    Forget(oldest, deferred);
  }
}

void MemoryStore::ForgetOldRequestIds(absl::Time now) {
  while (!requests_.empty() && requests_.front().time + options_.request_id_window < now) ForgetRequestId();
}

void MemoryStore::RunAlarms() {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    const absl::Time now = Now();
    while (!alarms_.empty() && alarms_.begin()->time <= now) {
      const Alarm alarm = *alarms_.begin();
      if (Queue* queue = alarm.queue; queue != nullptr) {
        SetQueueAlarm(queue, absl::InfiniteFuture());
        turns_.Offer(queue);
        ForgetOldTasksOf(queue, now, deferred);
        DisposeOf(queue);
      } else if (Record* record = alarm.record; record->state == v1::TASK_STATE_RUNNING) {
        ExpireLease(record, now, deferred);
      } else if (record->expires() <= now) {
        Expire(record, now, deferred);
      } else {
        Enqueue(record, /*again=*/false, now, deferred);
      }
    }
    if (!purges_.empty() && !PurgeSome(purges_.front(), deferred)) purges_.pop_front();
    if (!sweeps_.empty() && !SweepSome(sweeps_.front(), now, deferred)) sweeps_.pop_front();
    MatchClaims(now, deferred);
    ForgetOldTasks(now, deferred);
    ForgetOldRequestIds(now);
    Commit(deferred);
  }
  deferred.Run();
  // With a test's clock there is no thread for it.
  while (options_.clock && CompactOnce()) {
  }
}

absl::Time MemoryStore::Now() const { return options_.clock ? options_.clock() : absl::Now(); }

absl::Time MemoryStore::NextAlarm() const {
  if (!purges_.empty() || !sweeps_.empty()) return absl::InfinitePast();
  absl::Time next = alarms_.empty() ? absl::InfiniteFuture() : alarms_.begin()->time;
  if (!ended_.empty()) {
    const Record* const oldest = ended_.begin()->second;
    next = std::min(next, oldest->history->output.end.get() + options_.max_ended_age);
  }
  return next;
}

void MemoryStore::StartThreads() {
  if (options_.clock) return;
  alarm_thread_ = std::thread([this] { RunAlarmThread(); });
  if (journal_ != nullptr) compaction_thread_ = std::thread([this] { RunCompactionThread(); });
}

void MemoryStore::RunAlarmThread() {
  for (;;) {
    {
      absl::MutexLock lock(&mu_);
      // Tasks that end while this waits need no signal: they are kept for longer than a look a minute.
      alarm_thread_wakes_ = std::min(NextAlarm(), absl::Now() + absl::Minutes(1));
      while (refusal_.ok() && alarm_thread_wakes_ > absl::Now()) {
        if (!alarm_changed_.WaitWithDeadline(&mu_, alarm_thread_wakes_)) {
          alarm_thread_wakes_ = std::min(alarm_thread_wakes_, NextAlarm());
        }
      }
      if (!refusal_.ok()) return;
      alarm_thread_wakes_ = absl::InfinitePast();
    }
    RunAlarms();
  }
}

}  // namespace errand::store
