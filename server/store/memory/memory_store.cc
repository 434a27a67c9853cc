#include "server/store/memory/memory_store.h"

#include <algorithm>
#include <iterator>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "server/task/duration.h"
#include "server/task/errors.h"
#include "server/task/name.h"

namespace errand::store {
namespace {

// How long a caller should wait before it tries a full queue again.
constexpr absl::Duration kFullRetryDelay = absl::Seconds(1);

absl::Status Closed() { return task::ShuttingDown(absl::Seconds(1)); }

template <class T>
std::vector<T> Repeat(const T& value, size_t count) {
  return std::vector<T>(count, value);
}

absl::Status StaleLease(const Lease& lease) {
  return task::Error(absl::StatusCode::kFailedPrecondition, "STALE_LEASE",
                     absl::StrCat("the lease of '", lease.task, "' has expired or was finished"));
}

absl::Status OutOfRange(const Record& record, int64_t after_sequence) {
  const std::string oldest = absl::StrCat(record.oldest_sequence());
  const std::string latest = absl::StrCat(record.latest_sequence());
  return task::Error(absl::StatusCode::kOutOfRange, "SEQUENCE_NOT_KEPT",
                     absl::StrCat("after_sequence: ", after_sequence, " is out of range: '", record.name(),
                                  "' has the events ", oldest, " to ", latest),
                     {{"oldest_sequence", oldest}, {"latest_sequence", latest}});
}

}  // namespace

MemoryStore::MemoryStore(MemoryStoreOptions options) : options_(std::move(options)) {
  if (!options_.clock) alarm_thread_ = std::thread([this] { RunAlarmThread(); });
}

MemoryStore::~MemoryStore() {
  Close();
  if (alarm_thread_.joinable()) alarm_thread_.join();
}

void MemoryStore::Submit(std::vector<Submission> submissions,
                         Callback<std::vector<absl::StatusOr<v1::Task>>> done) {
  std::vector<absl::StatusOr<v1::Task>> results;
  results.reserve(submissions.size());
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    const absl::Time now = Now();
    for (Submission& submission : submissions) results.push_back(SubmitOne(submission, now));
    MatchClaims(now, deferred);
  }
  done(std::move(results));
  for (auto& call : deferred) call();
}

WaitId MemoryStore::Claim(ClaimRequest request, Callback<std::vector<ClaimedTask>> done) {
  Deferred deferred;
  WaitId id = 0;
  {
    absl::MutexLock lock(&mu_);
    id = next_wait_id_++;
    if (closed_) {
      deferred.push_back([done = std::move(done)]() mutable { done({}); });
    } else {
      claims_[static_cast<size_t>(request.kind)].push_back({id, request, std::move(done)});
      MatchClaims(Now(), deferred);
    }
  }
  for (auto& call : deferred) call();
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
    const absl::Time now = Now();
    for (FinishRequest& request : requests) results.push_back(FinishOne(request, now, deferred));
    MatchClaims(now, deferred);
    ForgetOldTasks(now, deferred);
  }
  done(std::move(results));
  for (auto& call : deferred) call();
}

void MemoryStore::Append(std::vector<Report> reports) {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    const absl::Time now = Now();
    for (Report& report : reports) {
      Record* record = FindLeased(report.lease);
      if (record == nullptr) continue;
      record->AddReport(std::move(report.event), now, options_.max_task_events);
      NotifyWatchers(record, deferred);
    }
  }
  for (auto& call : deferred) call();
}

void MemoryStore::Cancel(std::vector<CancelRequest> requests,
                         Callback<std::vector<absl::StatusOr<v1::Task>>> done) {
  std::vector<absl::StatusOr<v1::Task>> results;
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    const absl::Time now = Now();
    for (const CancelRequest& request : requests) results.push_back(CancelOne(request, now, deferred));
    ForgetOldTasks(now, deferred);
  }
  done(std::move(results));
  for (auto& call : deferred) call();
}

void MemoryStore::Get(std::vector<GetRequest> requests,
                      Callback<std::vector<absl::StatusOr<v1::Task>>> done) {
  std::vector<absl::StatusOr<v1::Task>> results;
  {
    absl::MutexLock lock(&mu_);
    for (const GetRequest& request : requests) {
      const Record* record = Find(request.name);
      if (closed_) {
        results.push_back(Closed());
      } else if (record == nullptr) {
        results.push_back(task::NotFound("task", request.name));
      } else {
        results.push_back(record->View(request.view));
      }
    }
  }
  done(std::move(results));
}

void MemoryStore::List(ListRequest request, Callback<absl::StatusOr<ListPage>> done) {
  absl::StatusOr<ListPage> page = ListPage();
  {
    absl::MutexLock lock(&mu_);
    if (closed_) page = Closed();
    for (auto it = by_order_.upper_bound(request.after_order); page.ok() && it != by_order_.end(); ++it) {
      const Record* record = it->second;
      if (!request.queue.empty() && record->queue->name != request.queue) continue;
      page->more = page->tasks.size() == static_cast<size_t>(request.max_tasks);
      if (page->more) break;
      page->tasks.push_back(record->View(request.view));
      page->last_order = record->order;
    }
  }
  done(std::move(page));
}

WaitId MemoryStore::Watch(WatchRequest request, Callback<absl::StatusOr<EventBatch>> done) {
  absl::StatusOr<EventBatch> batch;
  WaitId id = 0;
  {
    absl::MutexLock lock(&mu_);
    id = next_wait_id_++;
    Record* record = Find(request.name);
    if (closed_) {
      batch = Closed();
    } else if (record == nullptr) {
      batch = task::NotFound("task", request.name);
    } else if (request.after_sequence < 0 || request.after_sequence > record->latest_sequence() ||
               (request.after_sequence != 0 && request.after_sequence < record->oldest_sequence() - 1)) {
      batch = OutOfRange(*record, request.after_sequence);
    } else {
      // From the start means from the first event that is kept.
      const int64_t after = std::max(request.after_sequence, record->oldest_sequence() - 1);
      if (after == record->latest_sequence() && !record->ended()) {
        record->watchers.push_back(id);
        watchers_.emplace(id, Watcher{record, std::move(request), std::move(done)});
        return id;
      }
      batch = record->EventsAfter(after, request.max_events);
    }
  }
  done(std::move(batch));
  return id;
}

void MemoryStore::StopWaiting(WaitId id) {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    for (auto& waiters : claims_) {
      const auto it = absl::c_find_if(waiters, [id](const ClaimWaiter& waiter) { return waiter.id == id; });
      if (it == waiters.end()) continue;
      deferred.push_back([done = std::move(it->done)]() mutable { done({}); });
      waiters.erase(it);
    }
    if (const auto it = watchers_.find(id); it != watchers_.end()) {
      auto& ids = it->second.record->watchers;
      ids.erase(std::remove(ids.begin(), ids.end(), id), ids.end());
      deferred.push_back(
          [done = std::move(it->second.done)]() mutable { done(absl::CancelledError("no longer watched")); });
      watchers_.erase(it);
    }
  }
  for (auto& call : deferred) call();
}

void MemoryStore::Close() {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    closed_ = true;
    alarm_changed_.SignalAll();
    for (auto& waiters : claims_) {
      for (ClaimWaiter& waiter : waiters) {
        deferred.push_back([done = std::move(waiter.done)]() mutable { done({}); });
      }
      waiters.clear();
    }
    for (auto& [id, watcher] : watchers_) {
      watcher.record->watchers.clear();
      deferred.push_back([done = std::move(watcher.done)]() mutable { done(Closed()); });
    }
    watchers_.clear();
  }
  for (auto& call : deferred) call();
}

absl::StatusOr<v1::Task> MemoryStore::SubmitOne(Submission& submission, absl::Time now) {
  if (closed_) return Closed();
  const std::string& name = submission.task->name();
  const absl::string_view queue_name = task::QueueOf(name);
  std::string request_key;
  if (!submission.request_id.empty()) {
    ForgetOldRequestIds(now);
    request_key = absl::StrCat(queue_name, "\n", submission.request_id);
    if (const auto it = request_ids_.find(request_key); it != request_ids_.end()) {
      if (const Record* first = Find(it->second)) return first->View(v1::TASK_VIEW_BASIC);
      return task::Error(absl::StatusCode::kAlreadyExists, "TASK_NOT_KEPT",
                         absl::StrCat("request_id: the task of this request, '", it->second,
                                      "', has ended and is no longer kept"));
    }
  }
  if (records_.contains(name)) {
    return task::Error(absl::StatusCode::kAlreadyExists, "TASK_EXISTS",
                       absl::StrCat("task_id: there is a task '", name, "' already"), {{"name", name}});
  }
  absl::StatusOr<Queue*> found = FindOrCreateQueue(queue_name);
  if (!found.ok()) return found.status();
  Queue* queue = *found;
  auto owned = std::make_unique<Record>(std::move(submission.task), next_order_++, queue);
  Record* record = owned.get();
  if (queue->live_tasks >= options_.max_queue_tasks) {
    return task::QueueFull(queue_name,
                           absl::StrCat("it holds ", queue->live_tasks, " tasks, the most allowed"),
                           kFullRetryDelay);
  }
  if (queue->live_bytes + record->bytes > options_.max_queue_bytes) {
    return task::QueueFull(queue_name,
                           absl::StrCat("it holds ", queue->live_bytes, " bytes; ", record->bytes,
                                        " more would exceed ", options_.max_queue_bytes),
                           kFullRetryDelay);
  }
  ++queue->live_tasks;
  ++queue->kept_tasks;
  queue->live_bytes += record->bytes;
  records_.emplace(record->name(), std::move(owned));
  by_order_.emplace_hint(by_order_.end(), record->order, record);
  if (!request_key.empty()) {
    request_ids_.emplace(request_key, record->name());
    request_id_ages_.emplace_back(now, std::move(request_key));
  }
  *record->output.mutable_create_time() = task::ToProto(now);
  // Nobody can be watching yet.
  Deferred none;
  const absl::Time due =
      record->spec->has_schedule_time() ? task::FromProto(record->spec->schedule_time()) : now;
  if (due > now) {
    Schedule(record, due, now, none);
  } else {
    Enqueue(record, /*at_front=*/false, now, none);
  }
  return record->View(v1::TASK_VIEW_BASIC);
}

absl::StatusOr<Queue*> MemoryStore::FindOrCreateQueue(absl::string_view name) {
  if (const auto it = queues_.find(name); it != queues_.end()) return it->second.get();
  if (!options_.fixed_queues.empty() && !absl::c_linear_search(options_.fixed_queues, name)) {
    return task::NotFound("queue", name);
  }
  if (static_cast<int64_t>(queues_.size()) >= options_.max_queues) {
    return task::QueueFull(name, absl::StrCat("the server has ", queues_.size(), " queues, the most allowed"),
                           kFullRetryDelay);
  }
  return queues_.emplace(name, std::make_unique<Queue>(std::string(name))).first->second.get();
}

absl::StatusOr<v1::Task> MemoryStore::CancelOne(const CancelRequest& request, absl::Time now,
                                                Deferred& deferred) {
  if (closed_) return Closed();
  Record* record = Find(request.name);
  if (record == nullptr) return task::NotFound("task", request.name);
  if (!request.etag.empty() && request.etag != record->Etag()) {
    return task::Error(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                       absl::StrCat("etag: the task has changed; its etag is now \"", record->Etag(), "\""),
                       {{"etag", record->Etag()}});
  }
  switch (record->output.state()) {
    case v1::TASK_STATE_CANCELLED:
      break;
    case v1::TASK_STATE_SCHEDULED:
    case v1::TASK_STATE_QUEUED:
      if (record->output.state() == v1::TASK_STATE_QUEUED) fifo_.Remove(record);
      *record->output.mutable_error() = task::ToProto(
          task::Error(absl::StatusCode::kCancelled, "CANCELLED", "cancelled before an attempt was running"));
      End(record, v1::TASK_STATE_CANCELLED, now, deferred);
      break;
    case v1::TASK_STATE_RUNNING:
      if (record->cancel_requested) break;
      record->cancel_requested = true;
      ++record->revision;
      deferred.push_back([holder = record->holder, lease = Lease{record->name(), record->lease_token}] {
        holder->OnCancelRequested(lease);
      });
      break;
    default: {
      const std::string& state = v1::TaskState_Name(record->output.state());
      return task::Error(absl::StatusCode::kFailedPrecondition, "TASK_ENDED",
                         absl::StrCat("'", record->name(), "' cannot be cancelled: it is ", state),
                         {{"state", state}});
    }
  }
  return record->View(v1::TASK_VIEW_BASIC);
}

absl::Status MemoryStore::FinishOne(FinishRequest& request, absl::Time now, Deferred& deferred) {
  Record* record = FindLeased(request.lease);
  if (record == nullptr) return StaleLease(request.lease);
  v1::Task& output = record->output;
  // A released attempt did not end: nothing of it counts.
  if (request.verdict != Verdict::kReleased) {
    output.clear_error();
    output.clear_result();
    if (request.error.code() != 0) output.mutable_error()->Swap(&request.error);
    if (request.result.ByteSizeLong() != 0) output.mutable_result()->Swap(&request.result);
    output.mutable_usage()->Swap(&request.usage);
  }
  const bool cancelled = record->cancel_requested;
  switch (request.verdict) {
    case Verdict::kSucceeded:
      End(record, v1::TASK_STATE_SUCCEEDED, now, deferred);
      break;
    case Verdict::kFailed:
      End(record, v1::TASK_STATE_FAILED, now, deferred);
      break;
    case Verdict::kCancelled:
      End(record, v1::TASK_STATE_CANCELLED, now, deferred);
      break;
    case Verdict::kRetry:
    case Verdict::kReleased:
      record->lease_token = 0;
      if (cancelled) {
        End(record, v1::TASK_STATE_CANCELLED, now, deferred);
      } else if (request.verdict == Verdict::kReleased) {
        Enqueue(record, /*at_front=*/true, now, deferred);
      } else {
        Schedule(record, now + request.retry_delay, now, deferred);
      }
      break;
  }
  return absl::OkStatus();
}

}  // namespace errand::store
