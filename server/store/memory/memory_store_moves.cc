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
namespace {

// How often to look at the wall clock while a task waits for a time of day. A timerfd says when that clock is
// set, but not in every sandbox and not where it is simulated, and looking costs nothing that counts.
constexpr absl::Duration kDateInterval = absl::Seconds(1);

}  // namespace

Record* MemoryStore::Find(absl::string_view name) { return records_.Find(name); }

Record* MemoryStore::FindLeased(const Lease& lease) {
  Record* record = Find(lease.task);
  const bool holds = record != nullptr && lease.token != 0 && record->history != nullptr &&
                     record->history->lease_token == lease.token;
  return holds ? record : nullptr;
}

void MemoryStore::ScheduleAt(Record* record, absl::Time due, const clock::Moment& now, Deferred& deferred) {
  SetAlarm(record, record->ttl_end(), std::min(due, record->expiry_date()));
  Schedule(record, due, now, deferred);
}

void MemoryStore::ScheduleAfter(Record* record, absl::Duration backoff, const clock::Moment& now,
                                Deferred& deferred) {
  SetAlarm(record, now.instant + backoff);  // It has started, and does not expire.
  Schedule(record, now.time + backoff, now, deferred);
}

void MemoryStore::Schedule(Record* record, absl::Time due, const clock::Moment& now, Deferred& deferred) {
  record->Enter(v1::TASK_STATE_SCHEDULED, now.time, due);
  LogMoved(*record, now.time, due);
  Recount(*record);
  NotifyWatchers(record, deferred);
}

void MemoryStore::Enqueue(Record* record, bool again, const clock::Moment& now, Deferred& deferred) {
  SetAlarm(record, record->ttl_end(), record->expiry_date());
  if (!again) record->position = next_position_++;
  if (record->history != nullptr) record->history->queued_time = now.time;
  record->Enter(v1::TASK_STATE_QUEUED, now.time);
  LogMoved(*record, now.time);
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

void MemoryStore::End(Record* record, v1::TaskState state, const clock::Moment& now, Deferred& deferred) {
  Queue* queue = record->queue;
  ClearAlarm(record);
  if (record->waiting) queue->lines[static_cast<size_t>(record->kind)].Remove(record);
  DropLease(record);
  DropBody(record);
  record->Grown().output.end = record->NotBeforeLast(now.time);
  record->history->ended = now.instant;
  record->Enter(state, now.time);
  queue->live_bytes -= record->bytes();
  queue->finished.Add(now.instant);
  record->position = next_position_++;
  LogMoved(*record, now.time);
  queue->ended.emplace_hint(queue->ended.end(), record->position, record);
  ended_.emplace_hint(ended_.end(), record->position, record);
  LeaveKeyLine(record);
  if (record->lineage() != nullptr) {
    lineages_.Ended(record->lineage());
    LogUncancelled();
  }
  Recount(*record);
  NotifyWatchers(record, deferred);
  if (StoresPast(*record)) StorePast(record);
  if (queue->settings.has_retention()) ended_in_.push_back(queue);
}

void MemoryStore::Expire(Record* record, const clock::Moment& now, Deferred& deferred) {
  record->Grown().output.error = KeepError(task::ToProto(task::Error(
      absl::StatusCode::kDeadlineExceeded, "EXPIRED", "the task had not started before its expire_time")));
  End(record, v1::TASK_STATE_EXPIRED, now, deferred);
}

void MemoryStore::ExpireLease(Record* record, const clock::Moment& now, Deferred& deferred) {
  History& past = *record->history;
  const bool cancelled = past.cancel_requested;
  DropLease(record);
  past.output.error = KeepError(task::ToProto(task::Error(absl::StatusCode::kUnavailable, "LEASE_EXPIRED",
                                                          "the server that ran it stopped answering")));
  record->EndAttempt(past.output.error, KeptUsage(), now.time);
  const absl::StatusOr<v1::Task> asked = ReadTask(*record);
  const auto backoff =
      asked.ok() ? task::NextBackoff(asked->retry_policy(), past.tries) : std::optional<absl::Duration>();
  if (cancelled) {
    End(record, v1::TASK_STATE_CANCELLED, now, deferred);
  } else if (backoff.has_value()) {
    ScheduleAfter(record, *backoff, now, deferred);
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
    ClearAlarm(record);
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

void MemoryStore::SetAlarm(Record* record, clock::Instant alarm, absl::Time date) {
  ClearAlarm(record);
  const Alarms::Owner owner{record, nullptr};
  if (alarm != clock::Instant::InfiniteFuture()) {
    record->Grown().alarm = alarm;
    alarms_.Add(alarm, record->order, owner);
    AlarmChanged(alarm);
  }
  if (date != absl::InfiniteFuture()) {
    OptionalTime& own = record->Grown().date;
    own = date;
    const bool first = alarms_.Add(own.get(), record->order, owner);
    // Whoever waits knows when the one before comes, and can tell when this one does.
    if (first) AlarmChanged(clock::Instant::InfinitePast());
  }
}

void MemoryStore::ClearAlarm(Record* record) {
  if (record->history == nullptr) return;
  History& history = *record->history;
  const Alarms::Owner owner{record, nullptr};
  if (history.alarm != clock::Instant::InfiniteFuture()) {
    alarms_.Remove(history.alarm, record->order, owner);
    history.alarm = clock::Instant::InfiniteFuture();
  }
  if (history.date.has_value()) {
    alarms_.Remove(history.date.get(), record->order, owner);
    history.date = absl::InfiniteFuture();
  }
}

void MemoryStore::AlarmChanged(clock::Instant alarm) {
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
    deferred.push_back(
        Answer(std::move(it->second.done), absl::StatusOr<QueueEventBatch>(queue->log->Read(request))));
    queue_watchers_.erase(it);
  }
}

void MemoryStore::ForgetOldTasks(const clock::Moment& now, Deferred& deferred) {
  for (Queue* queue : ended_in_) ForgetOldTasksOf(queue, now, deferred);
  ended_in_.clear();
  while (!ended_.empty()) {
    Record* oldest = ended_.begin()->second;
    const bool too_many =
        static_cast<int64_t>(ended_.size()) > options_.max_ended_tasks || budget_.IsOver(Kept::kEnded);
    if (!too_many && oldest->history->ended + options_.max_ended_age > now.instant) break;
    Forget(oldest, deferred);
  }
}

void MemoryStore::ForgetOldRequestIds(clock::Instant now) {
  while (!requests_.empty() && requests_.front().time + options_.request_id_window < now) ForgetRequestId();
}

void MemoryStore::RunAlarms() {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    const clock::Moment now = Now();
    while (alarms_.Next(now) <= now.instant) {
      const Alarms::Owner due = alarms_.First(now);
      if (Queue* queue = due.queue; queue != nullptr) {
        SetQueueAlarm(queue, clock::Instant::InfiniteFuture());
        turns_.Offer(queue);
        ForgetOldTasksOf(queue, now, deferred);
        DisposeOf(queue);
      } else if (Record* record = due.record; record->state == v1::TASK_STATE_RUNNING) {
        ExpireLease(record, now, deferred);
      } else if (record->HasExpired(now)) {
        Expire(record, now, deferred);
      } else {
        Enqueue(record, /*again=*/false, now, deferred);
      }
    }
    if (!purges_.empty() && !PurgeSome(purges_.front(), deferred)) purges_.pop_front();
    if (!sweeps_.empty() && !SweepSome(sweeps_.front(), now, deferred)) sweeps_.pop_front();
    MatchClaims(now, deferred);
    ForgetOldTasks(now, deferred);
    ForgetOldRequestIds(now.instant);
    Commit(deferred);
  }
  deferred.Run();
  // With a test's clock there is no thread for it.
  while (options_.clock && CompactOnce()) {
  }
}

clock::Moment MemoryStore::Now() {
  const clock::Moment now = options_.clock ? options_.clock() : clock::Moment::Now();
  wall_steps_.Look(now, next_position_);
  return now;
}

clock::Instant MemoryStore::NextAlarm(const clock::Moment& now) const {
  if (!purges_.empty() || !sweeps_.empty()) return clock::Instant::InfinitePast();
  clock::Instant next = alarms_.Next(now);
  if (!ended_.empty()) {
    next = std::min(next, ended_.begin()->second->history->ended + options_.max_ended_age);
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
      clock::Moment now = Now();
      // Tasks that end while this waits need no signal: they are kept for longer than a look a minute.
      const clock::Instant look = now.instant + absl::Minutes(1);
      while (refusal_.ok() && now.instant < std::min(NextAlarm(now), look)) {
        alarm_thread_wakes_ = std::min(NextAlarm(now), look);
        if (alarms_.has_dates())
          alarm_thread_wakes_ = std::min(alarm_thread_wakes_, now.instant + kDateInterval);
        alarm_changed_.WaitUntil(&mu_, alarm_thread_wakes_);
        now = Now();
      }
      if (!refusal_.ok()) return;
      alarm_thread_wakes_ = clock::Instant::InfinitePast();
    }
    RunAlarms();
  }
}

}  // namespace errand::store
