#include "server/store/memory/memory_store.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "server/store/errors.h"
#include "server/store/memory/answer.h"
#include "server/task/errors.h"
#include "server/task/name.h"

namespace errand::store {
namespace {

// List looks at no more tasks than this in one call: the store's mutex is held meanwhile.
constexpr int kMaxTasksLookedAt = 250;
// In FULL view it also ends with the task that brings it here: more than an answer holds.
constexpr size_t kMaxBytesLookedAt = 8 << 20;
// Where the disk is full and so much waits to be written, what attempts report is not kept any more.
constexpr uint64_t kMaxUnwrittenBytes = 16 << 20;

absl::Status OutOfRange(const Record& record, int64_t after_sequence) {
  const std::string oldest = absl::StrCat(record.oldest_sequence());
  const std::string latest = absl::StrCat(record.latest_sequence());
  return task::Error(absl::StatusCode::kOutOfRange, "SEQUENCE_NOT_KEPT",
                     absl::StrCat("after_sequence: ", after_sequence, " is out of range: '", record.name(),
                                  "' has the events ", oldest, " to ", latest),
                     {{"oldest_sequence", oldest}, {"latest_sequence", latest}});
}

}  // namespace

MemoryStore::MemoryStore(StoreOptions options) : MemoryStore(std::move(options), nullptr) { StartThreads(); }

MemoryStore::MemoryStore(StoreOptions options, std::unique_ptr<Journal> journal)
    : options_(std::move(options)),
      journal_(std::move(journal)),
      first_log_position_(
          journal_ == nullptr ? absl::Uniform(absl::BitGen(), int64_t{1} << 32, int64_t{1} << 52) : 1),
      next_log_position_(first_log_position_),
      budget_(options_.max_memory_bytes),
      scripts_(options_.max_scripts, std::min(options_.max_script_bytes, budget_.scripts_bound())) {
  const std::string default_queue(task::kDefaultQueue);
  queues_.emplace(default_queue, std::make_unique<Queue>(default_queue, /*is_permanent=*/true));
  for (const std::string& name : options_.fixed_queues) {
    queues_.emplace(name, std::make_unique<Queue>(name, /*is_permanent=*/true));
  }
}

MemoryStore::~MemoryStore() {
  Close();
  if (alarm_thread_.joinable()) alarm_thread_.join();
  if (compaction_thread_.joinable()) compaction_thread_.join();
  journal_ = nullptr;  // Its callbacks use the store.
}

void MemoryStore::Deferred::Run() {
  for (auto* const list : {&at_once, &calls}) {
    for (Call& call : *list) call(absl::OkStatus());
  }
}

void MemoryStore::Commit(Deferred& deferred, v1::Durability durability) {
  if (journal_ == nullptr) return;
  journal_->EndGroup();
  if (NeedsCompaction()) compaction_changed_.Signal();
  ReadFirst(deferred);
  const bool changes = std::exchange(changes_, false);
  if (deferred.calls.empty() || durability == v1::DURABILITY_MEMORY || journal_->IsSynced()) return;
  // Who only reads does not wait for space. What was under way as the disk ran full may be told of before it
  // is safe.
  if (!changes && journal_->IsFull()) return;
  auto run = [this, changes, calls = std::exchange(deferred.calls, {})](absl::Status safe) mutable {
    if (!changes && absl::IsResourceExhausted(safe)) safe = absl::OkStatus();
    if (!safe.ok()) Fail(safe);
    for (Call& call : calls) call(safe);
  };
  if (durability == v1::DURABILITY_BUFFERED) {
    journal_->WhenWritten(std::move(run));
  } else {
    journal_->WhenSynced(std::move(run));
  }
}

void MemoryStore::ReadFirst(Deferred& deferred) {
  if (deferred.wanted.empty()) return;
  std::vector<JournalPlace> places;
  std::vector<std::string*> into;
  for (const WantedBody& wanted : std::exchange(deferred.wanted, {})) {
    places.push_back(wanted.place);
    into.push_back(wanted.into);
  }
  // The bodies are what they are now, wherever the journal says them again meanwhile.
  auto read = [this, reading = journal_->Hold(places), into = std::move(into),
               calls = std::exchange(deferred.calls, {})](const absl::Status& safe) mutable {
    if (!safe.ok()) {
      for (Call& call : calls) call(safe);
      return;
    }
    reading->Start(
        [this, into = std::move(into), calls = std::move(calls)](Journal::Attachments bodies) mutable {
          if (!bodies.ok()) Fail(bodies.status());
          for (size_t i = 0; bodies.ok() && i < into.size(); ++i) *into[i] = std::move((*bodies)[i]);
          for (Call& call : calls) call(bodies.status());
        });
  };
  deferred.calls.push_back(std::move(read));
}

void MemoryStore::DropBody(Record* record) {
  if (journal_ == nullptr || record->body == nullptr) return;
  body_bytes_ -= record->body_size;
  record->body = nullptr;
  CountBodyGone(*record);
}

void MemoryStore::Describe(const absl::StatusOr<Record*>& found, v1::TaskView view, Snapshots& tasks,
                           Deferred& deferred) {
  if (!found.ok()) {
    tasks.push_back(found.status());
    return;
  }
  tasks.push_back((*found)->View(view));
  if (tasks.back()->body.empty()) deferred.wanted.push_back({(*found)->place, &tasks.back()->body});
  if (view == v1::TASK_VIEW_FULL && (*found)->is_stored()) {
    deferred.wanted.push_back({(*found)->history->stored.place, &tasks.back()->past});
  }
}

MemoryStore::Call MemoryStore::AnswerTasks(std::shared_ptr<Snapshots> tasks,
                                           Callback<std::vector<absl::StatusOr<v1::Task>>> done) {
  return [tasks = std::move(tasks), done = std::move(done)](const absl::Status& safe) mutable {
    std::vector<absl::StatusOr<v1::Task>> answers;
    answers.reserve(tasks->size());
    for (absl::StatusOr<Snapshot>& task : *tasks) {
      if (!safe.ok()) {
        answers.push_back(safe);
      } else if (task.ok()) {
        answers.push_back((*std::move(task)).Complete());
      } else {
        answers.push_back(task.status());
      }
    }
    done(std::move(answers));
  };
}

absl::StatusOr<v1::Task> MemoryStore::ReadTask(const Record& record) {
  Snapshot snapshot = record.View(v1::TASK_VIEW_FULL);
  if (snapshot.body.empty()) {
    Journal::Attachments read = journal_->ReadAttachments({record.place});
    if (!read.ok()) return read.status();
    snapshot.body = std::move(read->front());
  }
  return std::move(snapshot).Complete();
}

void MemoryStore::Fail(const absl::Status& why) {
  if (absl::IsResourceExhausted(why)) return;  // The disk is full, and waited for.
  if (!CloseWith(why)) return;
  if (options_.on_failure) options_.on_failure(why);
}

void MemoryStore::Extend(std::vector<Lease> leases, absl::Duration lease_duration,
                         Callback<std::vector<absl::Status>> done) {
  std::vector<absl::Status> results;
  {
    absl::MutexLock lock(&mu_);
    const clock::Instant expiry = Now().instant + lease_duration;
    for (const Lease& lease : leases) {
      Record* record = FindLeased(lease);
      if (record != nullptr) SetAlarm(record, expiry);
      results.push_back(record != nullptr ? absl::OkStatus() : StaleLease(lease));
    }
  }
  done(std::move(results));
}

void MemoryStore::Finish(std::vector<FinishRequest> requests, Callback<std::vector<absl::Status>> done) {
  std::vector<absl::Status> results;
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    for (const FinishRequest& request : requests) records_.Prefetch(request.lease.task);
    const clock::Moment now = Now();
    for (FinishRequest& request : requests) results.push_back(FinishOne(request, now, deferred));
    deferred.push_back(Answer(std::move(done), std::move(results)));
    MatchClaims(now, deferred);
    ForgetOldTasks(now, deferred);
    Commit(deferred);
  }
  deferred.Run();
}

bool MemoryStore::MayReport() const {
  return journal_ == nullptr || !journal_->IsFull() || journal_->UnwrittenBytes() < kMaxUnwrittenBytes;
}

void MemoryStore::Keep(std::vector<KeepRequest> requests, Callback<std::vector<absl::Status>> done) {
  std::vector<absl::Status> results;
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    for (const KeepRequest& request : requests) {
      Record* record = FindLeased(request.lease);
      results.push_back(record != nullptr ? absl::OkStatus() : StaleLease(request.lease));
      if (record == nullptr) continue;
      record->KeepResult(request.result.SerializeAsString());
      LogResult(*record);
      Recount(*record);
    }
    deferred.push_back(Answer(std::move(done), std::move(results)));
    Commit(deferred);
  }
  deferred.Run();
}

void MemoryStore::Append(std::vector<Report> reports) {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    const clock::Moment now = Now();
    for (Report& report : reports) {
      Record* record = FindLeased(report.lease);
      if (record == nullptr || !MayReport()) continue;
      const bool replaces = record->Replaces(report.event);
      LogReport(*record, report.event, replaces, now.time);
      // Where the queue has its part of the memory a task's events do not become more.
      const int64_t max_bytes = budget_.HasRoom(Kept::kLive, record->queue->live_memory, 0)
                                    ? options_.max_task_event_bytes
                                    : std::min(record->history->event_bytes, options_.max_task_event_bytes);
      CountLogged(*record, record->AddReport(std::move(report.event), replaces, now.time,
                                             options_.max_task_events, max_bytes));
      Recount(*record);
      NotifyWatchers(record, deferred);
    }
    Commit(deferred);
  }
  deferred.Run();
}

void MemoryStore::Cancel(std::vector<ChangeRequest> requests,
                         Callback<std::vector<absl::StatusOr<v1::Task>>> done) {
  auto tasks = std::make_shared<Snapshots>();
  tasks->reserve(requests.size());
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    const clock::Moment now = Now();
    for (const ChangeRequest& request : requests) {
      Describe(CancelOne(request, now, deferred), v1::TASK_VIEW_BASIC, *tasks, deferred);
    }
    MatchClaims(now, deferred);  // The next one of an ordering key may start.
    ForgetOldTasks(now, deferred);
    deferred.push_back(AnswerTasks(std::move(tasks), std::move(done)));
    Commit(deferred);
  }
  deferred.Run();
}

void MemoryStore::Delete(std::vector<ChangeRequest> requests, Callback<std::vector<absl::Status>> done) {
  std::vector<absl::Status> results;
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    for (const ChangeRequest& request : requests) results.push_back(DeleteOne(request, deferred));
    deferred.push_back(Answer(std::move(done), std::move(results)));
    Commit(deferred);
  }
  deferred.Run();
}

void MemoryStore::Get(std::vector<GetRequest> requests,
                      Callback<std::vector<absl::StatusOr<v1::Task>>> done) {
  auto tasks = std::make_shared<Snapshots>();
  tasks->reserve(requests.size());
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    for (const GetRequest& request : requests) {
      absl::StatusOr<Record*> found = Find(request.name);
      if (!refusal_.ok()) {
        found = refusal_;
      } else if (*found == nullptr) {
        found = task::NotFound("task", request.name);
      }
      Describe(found, request.view, *tasks, deferred);
    }
    deferred.push_back(AnswerTasks(std::move(tasks), std::move(done)));
    Commit(deferred);
  }
  deferred.Run();
}

void MemoryStore::List(ListRequest request, Callback<absl::StatusOr<ListPage>> done) {
  absl::Status status;
  // What the page is made of, once the bodies are there.
  struct Candidates {
    Snapshots tasks;
    std::vector<uint64_t> orders;
    bool more = false;
  };
  auto candidates = std::make_shared<Candidates>();
  candidates->tasks.reserve(kMaxTasksLookedAt);
  const int max_candidates =
      request.filter == nullptr ? std::min(request.max_tasks, kMaxTasksLookedAt) : kMaxTasksLookedAt;
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    // The queues' next tasks; the earliest of them is at the front.
    using Position = std::pair<absl::btree_map<uint64_t, Record*>::const_iterator, const Queue*>;
    std::vector<Position> heap;
    const auto later = [](const Position& a, const Position& b) { return a.first->first > b.first->first; };
    const auto add = [&](const Queue* queue) {
      const auto it = queue->records.upper_bound(request.after_order);
      if (it != queue->records.end()) heap.emplace_back(it, queue);
    };
    if (!refusal_.ok()) {
      status = refusal_;
    } else if (request.queue.empty()) {
      for (const auto& [name, queue] : queues_) add(queue.get());
      absl::c_make_heap(heap, later);
    } else if (const Queue* queue = FindQueue(request.queue); queue != nullptr) {
      add(queue);
    } else {
      status = task::NotFound("queue", request.queue);
    }
    size_t bytes = 0;
    while (!heap.empty()) {
      candidates->more =
          static_cast<int>(candidates->tasks.size()) == max_candidates || bytes >= kMaxBytesLookedAt;
      if (candidates->more) break;
      absl::c_pop_heap(heap, later);
      auto& [it, queue] = heap.back();
      candidates->orders.push_back(it->first);
      Describe(it->second, request.view, candidates->tasks, deferred);
      if (request.view == v1::TASK_VIEW_FULL) {
        bytes += it->second->body_size + candidates->tasks.back()->task.ByteSizeLong();
        if (it->second->is_stored()) bytes += it->second->history->stored.bytes;
      }
      if (++it == queue->records.end()) {
        heap.pop_back();
      } else {
        absl::c_push_heap(heap, later);
      }
    }
    deferred.push_back([candidates, status, request = std::move(request),
                        done = std::move(done)](const absl::Status& safe) mutable {
      if (status.ok()) status = safe;
      if (!status.ok()) return done(status);
      ListPage page;
      page.more = candidates->more;
      for (size_t i = 0; i < candidates->tasks.size(); ++i) {
        if (static_cast<int>(page.tasks.size()) == request.max_tasks) {
          page.more = true;
          break;
        }
        page.last_order = candidates->orders[i];
        v1::Task task = (*std::move(candidates->tasks[i])).Complete();
        if (request.filter != nullptr && !request.filter->Matches(task)) continue;
        page.tasks.push_back(std::move(task));
        page.orders.push_back(page.last_order);
      }
      done(std::move(page));
    });
    Commit(deferred);
  }
  deferred.Run();
}

WaitId MemoryStore::Watch(WatchRequest request, Callback<absl::StatusOr<EventBatch>> done) {
  absl::StatusOr<EventBatch> batch;
  Deferred deferred;
  WaitId id = 0;
  {
    absl::MutexLock lock(&mu_);
    id = next_wait_id_++;
    Record* record = Find(request.name);
    bool is_stored = false;
    if (!refusal_.ok()) {
      batch = refusal_;
    } else if (record == nullptr) {
      batch = task::NotFound("task", request.name);
    } else if (request.after_sequence < 0 || request.after_sequence > record->latest_sequence() ||
               (request.after_sequence != 0 && request.after_sequence < record->oldest_sequence() - 1)) {
      batch = OutOfRange(*record, request.after_sequence);
    } else {
      // From the start means from the first event that is kept.
      request.after_sequence = std::max(request.after_sequence, record->oldest_sequence() - 1);
      is_stored = record->is_stored();
      if (request.after_sequence == record->latest_sequence() && !record->ended()) {
        record->Grown().watchers.push_back(id);
        Recount(*record);
        watchers_.emplace(id, Watcher{record, std::move(request), std::move(done)});
        return id;
      }
      if (!is_stored)
        batch = record->EventsAfter(request.after_sequence, request.max_events, request.max_bytes);
    }
    deferred.push_back(is_stored ? TellStored(*record, std::move(request), std::move(done), deferred)
                                 : Answer(std::move(done), std::move(batch)));
    Commit(deferred);
  }
  deferred.Run();
  return id;
}

void MemoryStore::StopWaiting(WaitId id) {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    for (auto& waiters : claims_) {
      const auto it = absl::c_find_if(waiters, [id](const ClaimWaiter& waiter) { return waiter.id == id; });
      if (it == waiters.end()) continue;
      deferred.push_back(Answer(std::move(it->done), std::vector<ClaimedTask>()));
      waiters.erase(it);
    }
    const absl::Status stopped = absl::CancelledError("no longer watched");
    if (const auto it = watchers_.find(id); it != watchers_.end()) {
      auto& ids = it->second.record->history->watchers;
      ids.erase(std::remove(ids.begin(), ids.end(), id), ids.end());
      deferred.push_back(Answer(std::move(it->second.done), absl::StatusOr<EventBatch>(stopped)));
      watchers_.erase(it);
    }
    if (const auto it = queue_watchers_.find(id); it != queue_watchers_.end()) {
      Queue* queue = it->second.queue;
      queue->watchers.erase(absl::c_find(queue->watchers, id));
      deferred.push_back(Answer(std::move(it->second.done), absl::StatusOr<QueueEventBatch>(stopped)));
      queue_watchers_.erase(it);
      DisposeOf(queue);
    }
  }
  deferred.Run();
}

void MemoryStore::Close() {
  CloseWith(task::ShuttingDown());
  if (journal_ == nullptr) return;
  absl::Notification told;
  {
    absl::MutexLock lock(&mu_);
    journal_->StopWaitingForSpace();
    // Behind all callbacks that wait, and then behind all that read.
    journal_->AfterSynced([&told, reading = std::shared_ptr<Journal::Reading>(journal_->Hold({}))](
                              const absl::Status&) { reading->Start([&told](auto) { told.Notify(); }); });
  }
  told.WaitForNotification();
}

bool MemoryStore::CloseWith(const absl::Status& refusal) {
  Deferred deferred;
  bool first = false;
  {
    absl::MutexLock lock(&mu_);
    first = refusal_.ok();
    if (first) refusal_ = refusal;
    for (Purge& purge : purges_) {
      deferred.push_back(Answer(std::move(purge.done), absl::StatusOr<int64_t>(refusal_)));
    }
    purges_.clear();
    for (CancelSweep& sweep : sweeps_) {
      if (sweep.done)
        deferred.push_back(Answer(std::move(sweep.done), absl::StatusOr<CancelledTree>(refusal_)));
    }
    sweeps_.clear();
    alarm_changed_.SignalAll();
    compaction_changed_.SignalAll();
    for (auto& waiters : claims_) {
      for (ClaimWaiter& waiter : waiters) {
        deferred.push_back(Answer(std::move(waiter.done), std::vector<ClaimedTask>()));
      }
      waiters.clear();
    }
    for (auto& [id, watcher] : watchers_) {
      watcher.record->history->watchers.clear();
      deferred.push_back(Answer(std::move(watcher.done), absl::StatusOr<EventBatch>(refusal_)));
    }
    watchers_.clear();
    for (auto& [id, watcher] : queue_watchers_) {
      watcher.queue->watchers.clear();
      deferred.push_back(Answer(std::move(watcher.done), absl::StatusOr<QueueEventBatch>(refusal_)));
    }
    queue_watchers_.clear();
  }
  deferred.Run();
  return first;
}

}  // namespace errand::store
