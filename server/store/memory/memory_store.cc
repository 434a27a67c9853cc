#include "server/store/memory/memory_store.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
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

absl::Status OutOfRange(const Record& record, int64_t after_sequence) {
  const std::string oldest = absl::StrCat(record.oldest_sequence());
  const std::string latest = absl::StrCat(record.latest_sequence());
  return task::Error(absl::StatusCode::kOutOfRange, "SEQUENCE_NOT_KEPT",
                     absl::StrCat("after_sequence: ", after_sequence, " is out of range: '", record.name(),
                                  "' has the events ", oldest, " to ", latest),
                     {{"oldest_sequence", oldest}, {"latest_sequence", latest}});
}

}  // namespace

MemoryStore::MemoryStore(StoreOptions options) : MemoryStore(std::move(options), nullptr) { StartAlarms(); }

MemoryStore::MemoryStore(StoreOptions options, std::unique_ptr<Journal> journal)
    : options_(std::move(options)),
      journal_(std::move(journal)),
      scripts_(options_.max_scripts, options_.max_script_bytes) {
  const std::string default_queue(task::kDefaultQueue);
  queues_.emplace(default_queue, std::make_unique<Queue>(default_queue, /*is_permanent=*/true));
  for (const std::string& name : options_.fixed_queues) {
    queues_.emplace(name, std::make_unique<Queue>(name, /*is_permanent=*/true));
  }
}

MemoryStore::~MemoryStore() {
  Close();
  if (alarm_thread_.joinable()) alarm_thread_.join();
  journal_ = nullptr;  // Its callbacks use the store.
}

void MemoryStore::Deferred::Run() {
  for (std::vector<Call>* const list : {&at_once, &calls}) {
    for (Call& call : *list) call(absl::OkStatus());
  }
}

void MemoryStore::Commit(Deferred& deferred, v1::Durability durability) {
  if (journal_ == nullptr) return;
  journal_->EndGroup();
  if (deferred.calls.empty() || durability == v1::DURABILITY_MEMORY || journal_->IsSynced()) return;
  auto run = [this, calls = std::exchange(deferred.calls, {})](const absl::Status& safe) mutable {
    if (!safe.ok()) Fail(safe);
    for (Call& call : calls) call(safe);
  };
  if (durability == v1::DURABILITY_BUFFERED) {
    journal_->WhenWritten(std::move(run));
    return;
  }
  journal_->WhenSynced(
      [this, run = std::move(run), order = next_order_ - 1](const absl::Status& safe) mutable {
        if (safe.ok()) synced_order_.store(order, std::memory_order_relaxed);
        run(safe);
      });
}

void MemoryStore::Fail(const absl::Status& why) {
  if (!CloseWith(why)) return;
  if (options_.on_failure) options_.on_failure(why);
}

WaitId MemoryStore::Claim(ClaimRequest request, Callback<std::vector<ClaimedTask>> done) {
  Deferred deferred;
  WaitId id = 0;
  {
    absl::MutexLock lock(&mu_);
    id = next_wait_id_++;
    if (!refusal_.ok()) {
      deferred.at_once.push_back(Answer(std::move(done), std::vector<ClaimedTask>()));
    } else {
      claims_[static_cast<size_t>(request.kind)].push_back({id, request, std::move(done)});
      MatchClaims(Now(), deferred);
    }
    Commit(deferred);
  }
  deferred.Run();
  return id;
}

void MemoryStore::Extend(std::vector<Lease> leases, absl::Duration lease_duration,
                         Callback<std::vector<absl::Status>> done) {
  std::vector<absl::Status> results;
  {
    absl::MutexLock lock(&mu_);
    const absl::Time expiry = Now() + lease_duration;
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
    const absl::Time now = Now();
    for (FinishRequest& request : requests) results.push_back(FinishOne(request, now, deferred));
    deferred.push_back(Answer(std::move(done), std::move(results)));
    MatchClaims(now, deferred);
    ForgetOldTasks(now, deferred);
    Commit(deferred);
  }
  deferred.Run();
}

void MemoryStore::Append(std::vector<Report> reports) {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    const absl::Time now = Now();
    for (Report& report : reports) {
      Record* record = FindLeased(report.lease);
      if (record == nullptr) continue;
      const bool replaces = record->Replaces(report.event);
      LogReport(*record, report.event, replaces, now);
      record->AddReport(std::move(report.event), replaces, now, options_.max_task_events);
      NotifyWatchers(record, deferred);
    }
    Commit(deferred);
  }
  deferred.Run();
}

void MemoryStore::Cancel(std::vector<ChangeRequest> requests,
                         Callback<std::vector<absl::StatusOr<v1::Task>>> done) {
  std::vector<absl::StatusOr<v1::Task>> results;
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    const absl::Time now = Now();
    for (const ChangeRequest& request : requests) results.push_back(CancelOne(request, now, deferred));
    MatchClaims(now, deferred);  // The next one of an ordering key may start.
    ForgetOldTasks(now, deferred);
    deferred.push_back(Answer(std::move(done), std::move(results)));
    Commit(deferred);
  }
  deferred.Run();
}

void MemoryStore::Retry(std::vector<ChangeRequest> requests,
                        Callback<std::vector<absl::StatusOr<v1::Task>>> done) {
  std::vector<absl::StatusOr<v1::Task>> results;
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    const absl::Time now = Now();
    for (const ChangeRequest& request : requests) results.push_back(RetryOne(request, now, deferred));
    deferred.push_back(Answer(std::move(done), std::move(results)));
    MatchClaims(now, deferred);
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
  std::vector<absl::StatusOr<v1::Task>> results;
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    for (const GetRequest& request : requests) {
      const Record* record = Find(request.name);
      if (!refusal_.ok()) {
        results.push_back(refusal_);
      } else if (record == nullptr) {
        results.push_back(task::NotFound("task", request.name));
      } else {
        results.push_back(record->View(request.view));
      }
    }
    deferred.push_back(Answer(std::move(done), std::move(results)));
    Commit(deferred);
  }
  deferred.Run();
}

void MemoryStore::List(ListRequest request, Callback<absl::StatusOr<ListPage>> done) {
  absl::StatusOr<ListPage> page = ListPage();
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
      page = refusal_;
    } else if (request.queue.empty()) {
      for (const auto& [name, queue] : queues_) add(queue.get());
      absl::c_make_heap(heap, later);
    } else if (const Queue* queue = FindQueue(request.queue); queue != nullptr) {
      add(queue);
    } else {
      page = task::NotFound("queue", request.queue);
    }
    for (int looked_at = 0; page.ok() && !heap.empty(); ++looked_at) {
      page->more =
          static_cast<int>(page->tasks.size()) == request.max_tasks || looked_at == kMaxTasksLookedAt;
      if (page->more) break;
      absl::c_pop_heap(heap, later);
      auto& [it, queue] = heap.back();
      const Record* record = it->second;
      page->last_order = record->order;
      if (request.filter == nullptr) {
        page->tasks.push_back(record->View(request.view));
      } else if (v1::Task basic = record->View(v1::TASK_VIEW_BASIC); request.filter->Matches(basic)) {
        page->tasks.push_back(request.view == v1::TASK_VIEW_FULL ? record->View(request.view)
                                                                 : std::move(basic));
      }
      if (++it == queue->records.end()) {
        heap.pop_back();
      } else {
        absl::c_push_heap(heap, later);
      }
    }
    deferred.push_back(Answer(std::move(done), std::move(page)));
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
    if (!refusal_.ok()) {
      batch = refusal_;
    } else if (record == nullptr) {
      batch = task::NotFound("task", request.name);
    } else if (request.after_sequence < 0 || request.after_sequence > record->latest_sequence() ||
               (request.after_sequence != 0 && request.after_sequence < record->oldest_sequence() - 1)) {
      batch = OutOfRange(*record, request.after_sequence);
    } else {
      // From the start means from the first event that is kept.
      const int64_t after = std::max(request.after_sequence, record->oldest_sequence() - 1);
      if (after == record->latest_sequence() && !record->ended()) {
        record->Grown().watchers.push_back(id);
        watchers_.emplace(id, Watcher{record, std::move(request), std::move(done)});
        return id;
      }
      batch = record->EventsAfter(after, request.max_events);
    }
    deferred.push_back(Answer(std::move(done), std::move(batch)));
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
    journal_->WhenSynced([&told](const absl::Status&) { told.Notify(); });
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
    alarm_changed_.SignalAll();
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
