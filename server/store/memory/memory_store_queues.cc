// The queues of the memory store.
#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "server/store/errors.h"
#include "server/store/memory/answer.h"
#include "server/store/memory/memory_store.h"
#include "server/task/duration.h"
#include "server/task/errors.h"
#include "server/task/name.h"
#include "server/task/queue_settings.h"

namespace errand::store {
namespace {

// A purge looks at so many tasks before it lets other calls in.
constexpr int kPurgeStep = 1'000;
// FreeName looks at so many queues.
constexpr int kNamesLookedAt = 64;
// How long whoever finds no room, or a queue that is going, should wait.
constexpr absl::Duration kRetryDelay = absl::Seconds(1);
// By NameHolder.
constexpr absl::string_view kHeldBy[] = {"", "with settings", "with tasks", "that are watched alone"};

absl::Status PositionNotKept(const WatchQueueRequest& request, const EventLog& log, bool of_this_life) {
  const std::string oldest = absl::StrCat(log.oldest() + 1);
  const std::string latest = absl::StrCat(log.latest());
  return task::Error(
      absl::StatusCode::kOutOfRange, of_this_life ? "POSITION_NOT_KEPT" : "POSITION_UNKNOWN",
      absl::StrCat("after_position: ", request.after_position,
                   of_this_life ? " is no longer kept: '"
                                : " is no position of this server, which may have been started anew since: '",
                   request.queue, "' has the events ", oldest, " to ", latest),
      {{"oldest_position", oldest}, {"latest_position", latest}});
}

}  // namespace

Queue* MemoryStore::FindQueue(absl::string_view name) {
  const auto it = queues_.find(name);
  return it == queues_.end() ? nullptr : it->second.get();
}

absl::StatusOr<Queue*> MemoryStore::FindOrCreateQueue(absl::string_view name, NameHolder holder) {
  const absl::Status refused = holder == NameHolder::kWatchers ? refusal_ : CheckChanges();
  if (!refused.ok()) return refused;
  Queue* const found = FindQueue(name);
  if (found != nullptr && found->deleting) {
    return task::TryAgain("QUEUE_BEING_DELETED", absl::StrCat("'", name, "' is being deleted"), kRetryDelay);
  }
  if (found != nullptr && found->holder <= holder) return found;
  if (found == nullptr && !options_.fixed_queues.empty()) return task::NotFound("queue", name);
  if (names_[static_cast<size_t>(holder)] >= options_.max_queues) {
    return task::QueueFull(name,
                           absl::StrCat("the server has ", options_.max_queues, " queues ",
                                        kHeldBy[static_cast<size_t>(holder)], ", the most allowed"),
                           kRetryDelay);
  }
  if (found != nullptr) return found;
  auto queue = std::make_unique<Queue>(std::string(name), /*is_permanent=*/false);
  ++names_[static_cast<size_t>(queue->holder)];
  return queues_.emplace(std::string(name), std::move(queue)).first->second.get();
}

void MemoryStore::CountName(Queue& queue) {
  --names_[static_cast<size_t>(queue.holder)];
  queue.holder = queue.Holder();
  ++names_[static_cast<size_t>(queue.holder)];
}

void MemoryStore::FreeName(Deferred& deferred) {
  if (names_[static_cast<size_t>(NameHolder::kTasks)] < options_.max_queues) return;
  // Round and round, so that a look costs little.
  Queue* oldest = nullptr;
  auto it = queues_.upper_bound(last_looked_at_);
  for (int step = 0; step < kNamesLookedAt; ++step, ++it) {
    if (it == queues_.end()) it = queues_.begin();
    Queue* const queue = it->second.get();
    last_looked_at_ = it->first;
    const bool may_go = queue->holder == NameHolder::kTasks && queue->purges == 0 &&
                        queue->live_tasks() == 0 && queue->ended.size() <= size_t{kPurgeStep};
    if (may_go && (oldest == nullptr || queue->ended.rbegin()->first < oldest->ended.rbegin()->first)) {
      oldest = queue;
    }
  }
  if (oldest == nullptr) return;
  // With the last one the queue may go.
  for (size_t left = oldest->ended.size(); left > 0; --left) Forget(oldest->ended.begin()->second, deferred);
}

void MemoryStore::DisposeOf(Queue* queue) {
  if (!queue->Disposable()) {
    if (queue->records.empty()) CountName(*queue);
    return;
  }
  --names_[static_cast<size_t>(queue->holder)];
  SetQueueAlarm(queue, clock::Instant::InfiniteFuture());
  turns_.Forget(queue);
  if (queue->log != nullptr) next_log_position_ = std::max(next_log_position_, queue->log->latest() + 1);
  queues_.erase(queues_.find(queue->name));
}

void MemoryStore::SetQueueAlarm(Queue* queue, clock::Instant alarm) {
  if (queue->alarm == alarm) return;
  if (queue->alarm != clock::Instant::InfiniteFuture()) alarms_.Remove(queue->alarm, 0, {nullptr, queue});
  queue->alarm = alarm;
  if (alarm == clock::Instant::InfiniteFuture()) return;
  alarms_.Add(alarm, 0, {nullptr, queue});
  AlarmChanged(alarm);
}

void MemoryStore::ForgetOldTasksOf(Queue* queue, const clock::Moment& now, Deferred& deferred) {
  const v1::Retention& retention = queue->settings.retention();
  if (!queue->settings.has_retention()) return;
  while (!queue->ended.empty()) {
    Record* oldest = queue->ended.begin()->second;
    const bool too_many =
        retention.max_count() > 0 && static_cast<int64_t>(queue->ended.size()) > retention.max_count();
    const clock::Instant forget_at = retention.has_max_age()
                                         ? oldest->history->ended + task::FromProto(retention.max_age())
                                         : clock::Instant::InfiniteFuture();
    if (!too_many && forget_at > now.instant) {
      SetQueueAlarm(queue, std::min(queue->alarm, forget_at));
      break;
    }
    Forget(oldest, deferred);  // A queue with settings is not disposed of.
  }
}

WaitId MemoryStore::WatchQueue(WatchQueueRequest request, Callback<absl::StatusOr<QueueEventBatch>> done) {
  absl::StatusOr<QueueEventBatch> batch;
  Deferred deferred;
  WaitId id = 0;
  {
    absl::MutexLock lock(&mu_);
    id = next_wait_id_++;
    absl::StatusOr<Queue*> found = FindOrCreateQueue(request.queue, NameHolder::kWatchers);
    if (!found.ok()) {
      batch = found.status();
    } else {
      Queue* queue = *found;
      if (queue->log == nullptr) {
        queue->log = std::make_unique<EventLog>(next_log_position_, options_.max_queue_events, &budget_);
        LogPositions();
      }
      EventLog& log = *queue->log;
      if (request.after_position == 0) {
        batch = QueueEventBatch{{}, log.latest()};
      } else if (request.after_position < log.oldest() || request.after_position > log.latest()) {
        const bool of_this_life =
            request.after_position >= first_log_position_ && request.after_position <= log.latest();
        batch = PositionNotKept(request, log, of_this_life);
      } else if (request.after_position < log.latest()) {
        batch = log.Read(request);
      } else {
        queue->watchers.push_back(id);
        queue_watchers_.emplace(id, QueueWatcher{queue, std::move(request), std::move(done)});
        return id;
      }
    }
    deferred.push_back(Answer(std::move(done), std::move(batch)));
    Commit(deferred);
  }
  deferred.Run();
  return id;
}

void MemoryStore::GetQueue(std::string name, Callback<absl::StatusOr<v1::Queue>> done) {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    absl::StatusOr<v1::Queue> result = task::NotFound("queue", name);
    if (!refusal_.ok()) {
      result = refusal_;
    } else if (const Queue* queue = FindQueue(name); queue != nullptr) {
      result = queue->View();
    }
    deferred.push_back(Answer(std::move(done), std::move(result)));
    Commit(deferred);
  }
  deferred.Run();
}

void MemoryStore::ListQueues(NamePage request, Callback<absl::StatusOr<QueuePage>> done) {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    absl::StatusOr<QueuePage> page = QueuePage();
    if (!refusal_.ok()) page = refusal_;
    for (auto it = queues_.upper_bound(request.after_name); page.ok() && it != queues_.end(); ++it) {
      page->more = static_cast<int>(page->queues.size()) == request.max_entries;
      if (page->more) break;
      page->queues.push_back(it->second->View());
    }
    deferred.push_back(Answer(std::move(done), std::move(page)));
    Commit(deferred);
  }
  deferred.Run();
}

void MemoryStore::UpdateQueue(v1::Queue settings, google::protobuf::FieldMask mask,
                              Callback<absl::StatusOr<v1::Queue>> done) {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    absl::StatusOr<v1::Queue> result;
    const absl::StatusOr<Queue*> found = FindOrCreateQueue(settings.name(), NameHolder::kSettings);
    if (!found.ok()) {
      result = found.status();
    } else if (const std::string etag = (*found)->View().etag();
               !settings.etag().empty() && settings.etag() != etag) {
      result = EtagMismatch("queue.etag", "queue", etag);
      DisposeOf(*found);
    } else {
      Queue* queue = *found;
      const v1::RateLimit before = queue->settings.rate_limit();
      const absl::Status merged = task::MergeQueueSettings(settings, mask, queue->settings);
      if (merged.ok()) {
        const clock::Moment now = Now();
        const v1::RateLimit& after = queue->settings.rate_limit();
        if (before.tasks_per_second() != after.tasks_per_second() || before.burst() != after.burst()) {
          queue->bucket.Configure(after, now.instant);
        }
        queue->revision = next_queue_revision_++;
        LogQueue(*queue);
        result = queue->View();
        turns_.Offer(queue);
        MatchClaims(now, deferred);
        ForgetOldTasksOf(queue, now, deferred);
      } else {
        result = merged;
      }
      CountName(*queue);
      DisposeOf(queue);
    }
    deferred.push_back(Answer(std::move(done), std::move(result)));
    Commit(deferred);
  }
  deferred.Run();
}

void MemoryStore::SetQueueState(std::string name, v1::QueueState state,
                                Callback<absl::StatusOr<v1::Queue>> done) {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    absl::StatusOr<v1::Queue> result;
    const absl::StatusOr<Queue*> found = FindOrCreateQueue(name, NameHolder::kSettings);
    if (!found.ok()) {
      result = found.status();
    } else {
      Queue* queue = *found;
      const bool pause = state == v1::QUEUE_STATE_PAUSED;
      if (pause != queue->paused) {
        queue->paused = pause;
        queue->revision = next_queue_revision_++;
        LogQueue(*queue);
      }
      result = queue->View();
      turns_.Offer(queue);
      MatchClaims(Now(), deferred);
      CountName(*queue);
      DisposeOf(queue);
    }
    deferred.push_back(Answer(std::move(done), std::move(result)));
    Commit(deferred);
  }
  deferred.Run();
}

bool MemoryStore::PurgeSome(Purge& purge, Deferred& deferred) {
  Queue* queue = FindQueue(purge.queue);  // It does not go while it is purged.
  for (int step = 0; queue != nullptr && refusal_.ok(); ++step) {
    const auto it = queue->records.upper_bound(purge.after_order);
    if (it == queue->records.end() || it->first > purge.last_order) break;
    if (step == kPurgeStep) return true;
    Record* record = it->second;
    purge.after_order = record->order;
    const bool waits = record->state == v1::TASK_STATE_QUEUED || record->state == v1::TASK_STATE_SCHEDULED;
    if (!waits && !purge.all) continue;
    if (record->state == v1::TASK_STATE_RUNNING) StopAttempt(*record, deferred);
    ++purge.purged;
    Forget(record, deferred);
  }
  if (queue != nullptr && --queue->purges == 0) {
    if (queue->deleting) FinishDeleting(queue, deferred);
    turns_.Offer(queue);
    DisposeOf(queue);
  }
  deferred.push_back(Answer(std::move(purge.done), absl::StatusOr<int64_t>(purge.purged)));
  return false;
}

void MemoryStore::StartPurge(Queue& queue, bool all, Callback<absl::StatusOr<int64_t>> done,
                             Deferred& deferred) {
  // Nothing that is there starts any more, and what runs may make nothing for this queue.
  ++queue.purges;
  purge_marks_.Set(queue.name, next_lease_token_);
  LogQueuePurged(queue.name, next_lease_token_);
  Purge purge{queue.name, all, 0, next_order_ - 1, 0, std::move(done)};
  // What is left is for the alarm thread, so that no caller waits for a long purge.
  if (PurgeSome(purge, deferred)) {
    purges_.push_back(std::move(purge));
    AlarmChanged(clock::Instant::InfinitePast());
  }
  MatchClaims(Now(), deferred);  // The next one of an ordering key may start.
}

void MemoryStore::PurgeQueue(std::string name, Callback<absl::StatusOr<int64_t>> done) {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    Queue* const queue = FindQueue(name);
    absl::Status refused = CheckChanges();
    if (refused.ok() && queue == nullptr) refused = task::NotFound("queue", name);
    if (refused.ok()) {
      StartPurge(*queue, /*all=*/false, std::move(done), deferred);
    } else {
      deferred.push_back(Answer(std::move(done), absl::StatusOr<int64_t>(refused)));
    }
    Commit(deferred);
  }
  deferred.Run();
}

bool MemoryStore::WaitsForNobody(const Queue& queue) const {
  int64_t waiting = 0;
  int64_t unclaimed = 0;
  for (size_t kind = 0; kind < queue.lines.size(); ++kind) {
    waiting += queue.lines[kind].size;
    if (!CheckHandler(static_cast<task::HandlerKind>(kind)).ok()) unclaimed += queue.lines[kind].size;
  }
  return waiting > 0 && unclaimed == waiting;
}

absl::Status MemoryStore::CheckDelete(const DeleteQueueRequest& request) {
  constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;
  if (absl::Status refused = CheckChanges(); !refused.ok()) return refused;
  const Queue* const queue = FindQueue(request.name);
  if (queue == nullptr) return task::NotFound("queue", request.name);
  if (queue->permanent) {
    return task::Error(kPrecondition, "QUEUE_PERMANENT",
                       absl::StrCat("'", request.name, "' always exists: it can be purged"));
  }
  const std::string etag = queue->View().etag();
  if (!request.etag.empty() && request.etag != etag) return EtagMismatch("etag", "queue", etag);
  if (request.force || queue->records.empty()) return absl::OkStatus();
  return task::Error(kPrecondition, "QUEUE_NOT_EMPTY",
                     absl::StrCat("'", request.name, "' holds ", queue->records.size(),
                                  " tasks; with force they are deleted as well"));
}

void MemoryStore::DeleteQueue(DeleteQueueRequest request, Callback<absl::StatusOr<int64_t>> done) {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    if (absl::Status refused = CheckDelete(request); refused.ok()) {
      Queue* const queue = FindQueue(request.name);
      queue->deleting = true;
      StartPurge(*queue, /*all=*/true, std::move(done), deferred);
    } else {
      deferred.push_back(Answer(std::move(done), absl::StatusOr<int64_t>(refused)));
    }
    Commit(deferred);
  }
  deferred.Run();
}

void MemoryStore::FinishDeleting(Queue* queue, Deferred& deferred) {
  LogQueueDeleted(queue->name);
  queue->deleting = false;
  queue->settings.Clear();
  queue->paused = false;
  queue->revision = 0;
  const absl::Status gone = task::NotFound("queue", queue->name);
  for (WaitId id : std::exchange(queue->watchers, {})) {
    const auto it = queue_watchers_.find(id);
    deferred.push_back(Answer(std::move(it->second.done), absl::StatusOr<QueueEventBatch>(gone)));
    queue_watchers_.erase(it);
  }
}

void MemoryStore::GetQueueStats(std::string name, Callback<absl::StatusOr<v1::QueueStats>> done) {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    absl::StatusOr<v1::QueueStats> result = task::NotFound("queue", name);
    if (!refusal_.ok()) {
      result = refusal_;
    } else if (Queue* queue = FindQueue(name); queue != nullptr) {
      const clock::Moment now = Now();
      result = queue->Stats(now.instant, wall_steps_);
      if (result->held_by() == v1::HELD_BY_EXECUTORS) result->set_held_by(HeldByExecutors(*queue));
      if (WaitsForNobody(*queue)) result->set_held_by(v1::HELD_BY_NO_HANDLER);
    }
    deferred.push_back(Answer(std::move(done), std::move(result)));
    Commit(deferred);
  }
  deferred.Run();
}

}  // namespace errand::store
