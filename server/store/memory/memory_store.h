#ifndef ERRAND_SERVER_STORE_MEMORY_MEMORY_STORE_H_
#define ERRAND_SERVER_STORE_MEMORY_MEMORY_STORE_H_

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/store/memory/fifo.h"
#include "server/store/memory/record.h"
#include "server/store/task_store.h"

namespace errand::store {

struct MemoryStoreOptions {
  // Bounds of each queue, over its tasks that have not ended.
  int64_t max_queue_tasks = 1'000'000;
  int64_t max_queue_bytes = int64_t{1} << 30;
  // Queues that hold tasks at one time.
  int64_t max_queues = 10'000;
  // Empty: queues come into being at first use. Otherwise these are all (`queues/{queue}`).
  std::vector<std::string> fixed_queues;
  // Ended tasks are kept until there are more than this, or they ended longer ago.
  int64_t max_ended_tasks = 100'000;
  absl::Duration max_ended_age = absl::Hours(1);
  // Events kept of each task; the oldest go first.
  size_t max_task_events = 1'000;
  // How long a request id is remembered.
  absl::Duration request_id_window = absl::Minutes(10);
  // Null: the real clock, and a thread that calls RunAlarms when something is due. Otherwise the test's
  // clock; the test calls RunAlarms.
  std::function<absl::Time()> clock;
};

// A TaskStore that keeps everything in this process: the tasks are gone when it is.
class MemoryStore : public TaskStore {
 public:
  explicit MemoryStore(MemoryStoreOptions options);
  ~MemoryStore() override;

  void Submit(std::vector<Submission> submissions,
              Callback<std::vector<absl::StatusOr<v1::Task>>> done) override;
  WaitId Claim(ClaimRequest request, Callback<std::vector<ClaimedTask>> done) override;
  void Extend(std::vector<Lease> leases, absl::Duration lease_duration,
              Callback<std::vector<absl::Status>> done) override;
  void Finish(std::vector<FinishRequest> requests, Callback<std::vector<absl::Status>> done) override;
  void Append(std::vector<Report> reports) override;
  void Cancel(std::vector<CancelRequest> requests,
              Callback<std::vector<absl::StatusOr<v1::Task>>> done) override;
  void Get(std::vector<GetRequest> requests, Callback<std::vector<absl::StatusOr<v1::Task>>> done) override;
  void List(ListRequest request, Callback<absl::StatusOr<ListPage>> done) override;
  WaitId Watch(WatchRequest request, Callback<absl::StatusOr<EventBatch>> done) override;
  void StopWaiting(WaitId id) override;
  void Close() override;

  // Does what is due by now: schedules, leases that expire, ended tasks to forget.
  void RunAlarms();

 private:
  struct ClaimWaiter {
    WaitId id;
    ClaimRequest request;
    Callback<std::vector<ClaimedTask>> done;
  };
  struct Watcher {
    Record* record;
    WatchRequest request;
    Callback<absl::StatusOr<EventBatch>> done;
  };
  // Callbacks to call once the mutex is free.
  using Deferred = std::vector<absl::AnyInvocable<void()>>;

  absl::StatusOr<v1::Task> SubmitOne(Submission& submission, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<Queue*> FindOrCreateQueue(absl::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<v1::Task> CancelOne(const CancelRequest& request, absl::Time now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status FinishOne(FinishRequest& request, absl::Time now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Record* Find(absl::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Null, too, when the lease is not the task's.
  Record* FindLeased(const Lease& lease) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // The moves of a task. All of them tell the watchers.
  void Schedule(Record* record, absl::Time due, absl::Time now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Enqueue(Record* record, bool at_front, absl::Time now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  ClaimedTask Start(Record* record, const ClaimRequest& request, absl::Time now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void End(Record* record, v1::TaskState state, absl::Time now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ExpireLease(Record* record, absl::Time now, Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Forget(Record* record, Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  void SetAlarm(Record* record, absl::Time alarm) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Hands waiting tasks to waiting claims.
  void MatchClaims(absl::Time now, Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NotifyWatchers(Record* record, Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ForgetOldTasks(absl::Time now, Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ForgetOldRequestIds(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  absl::Time Now() const;
  absl::Time NextAlarm() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RunAlarmThread();

  const MemoryStoreOptions options_;

  absl::Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t next_order_ ABSL_GUARDED_BY(mu_) = 1;
  uint64_t next_lease_token_ ABSL_GUARDED_BY(mu_) = 1;
  WaitId next_wait_id_ ABSL_GUARDED_BY(mu_) = 1;
  absl::flat_hash_map<std::string, std::unique_ptr<Queue>> queues_ ABSL_GUARDED_BY(mu_);
  // The key is a part of the record's spec.
  absl::flat_hash_map<absl::string_view, std::unique_ptr<Record>> records_ ABSL_GUARDED_BY(mu_);
  absl::btree_map<uint64_t, Record*> by_order_ ABSL_GUARDED_BY(mu_);
  Fifo fifo_ ABSL_GUARDED_BY(mu_);
  absl::btree_set<std::pair<absl::Time, uint64_t>> alarms_ ABSL_GUARDED_BY(mu_);  // When, and Record::order.
  std::deque<Record*> ended_ ABSL_GUARDED_BY(mu_);                                // The longest ended first.
  // `queue`, line feed, request id -> the task's name.
  absl::flat_hash_map<std::string, std::string> request_ids_ ABSL_GUARDED_BY(mu_);
  std::deque<std::pair<absl::Time, std::string>> request_id_ages_ ABSL_GUARDED_BY(mu_);
  std::array<std::deque<ClaimWaiter>, task::kHandlerKinds> claims_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<WaitId, Watcher> watchers_ ABSL_GUARDED_BY(mu_);

  absl::CondVar alarm_changed_;
  absl::Time alarm_thread_wakes_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
  std::thread alarm_thread_;
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_MEMORY_STORE_H_
