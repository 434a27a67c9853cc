#ifndef ERRAND_SERVER_EXECUTOR_EXECUTOR_H_
#define ERRAND_SERVER_EXECUTOR_EXECUTOR_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/clock/instant.h"
#include "server/handlers/handler.h"
#include "server/io/loop.h"
#include "server/io/timer.h"
#include "server/store/task_store.h"

namespace errand::executor {

// Claims tasks from a store as long as handlers have room for them, hands them over, reports what becomes of
// them, and extends their leases meanwhile. Blocks nowhere but in Drain.
//
// There is a claim of each kind outstanding whenever the handler has any room, or says what its queues wait
// for. When it gets room for a queue that the claim excludes, the claim is taken back and made anew.
class Executor : private store::LeaseHolder {
 public:
  // `store` and `loop` (for the lease timer) are borrowed and must outlive the executor. `worker` is what the
  // attempts' history names this executor.
  Executor(store::TaskStore* store, io::Loop* loop, absl::Duration lease_duration, std::string worker);

  // Drain must have returned.
  ~Executor() override;

  // `handler` is borrowed and must outlive the executor, and so must `loop`: what ends during one of its
  // turns is reported together, and makes room for as many tasks. The loop that the handler works on is best.
  // At most one handler for each kind; before Start.
  void AddHandler(task::HandlerKind kind, handlers::Handler* handler, io::Loop* loop);

  void Start();

  // Claims no more; waits until the running attempts have ended, from `deadline` on by abandoning them: their
  // tasks go back to the front of their queues. Not from the thread of a loop.
  void Drain(clock::Instant deadline);

 private:
  class Observer;

  struct Ended {
    handlers::AttemptId id;
    store::FinishRequest request;
  };
  // One kind of task.
  struct Lane {
    task::HandlerKind kind;
    handlers::Handler* handler;
    io::Loop* loop;
    std::vector<Ended> ended;  // To be reported by a Report that is posted.
    bool claiming = false;     // A claim is outstanding; then `claim` names it, once Claim has returned.
    store::WaitId claim = 0;
    task::Room room;        // What that claim may take.
    bool outdated = false;  // That claim is being withdrawn, for one of more room.
    bool closed = false;    // The store was closed, or has failed: it has no more tasks for anybody.
    bool filling = false;   // Some thread is in Fill,
    bool refill = false;    // and has to look again: there may be more room.
  };
  struct Running {
    std::shared_ptr<const store::Lease> lease;
    // All that is needed of the task at its end: there may be very many attempts that wait. Null if it has
    // none.
    std::unique_ptr<const v1::RetryPolicy> retry_policy;
    int32_t tries = 0;
    Lane* lane = nullptr;
    bool released = false;  // Stopped by Drain, not by a cancel.
  };

  void OnCancelRequested(const store::Lease& lease) override;
  void Fill(Lane* lane);
  void OnClaimed(Lane* lane, std::vector<store::ClaimedTask> claimed);
  void OnMoreRoom(Lane* lane);
  void OnDone(handlers::AttemptId id, handlers::Outcome outcome);
  void Report(Lane* lane);
  void ExtendLeases();

  store::TaskStore* const store_;
  io::Loop* const loop_;
  const absl::Duration lease_duration_;
  const std::string worker_;
  std::vector<std::unique_ptr<Lane>> lanes_;  // Constant after Start; the lanes are guarded by mu_.

  absl::Mutex mu_;
  bool draining_ ABSL_GUARDED_BY(mu_) = true;  // Until Start.
  handlers::AttemptId next_id_ ABSL_GUARDED_BY(mu_) = 1;
  absl::flat_hash_map<handlers::AttemptId, Running> running_ ABSL_GUARDED_BY(mu_);
  int callbacks_ ABSL_GUARDED_BY(mu_) = 0;  // OnClaimed, OnMoreRoom and Report under way, or posted.
  absl::flat_hash_map<uint64_t, handlers::AttemptId> by_lease_ ABSL_GUARDED_BY(mu_);
  // Cancels that overtook the claim they belong to, whose tasks may have to be read from a disk yet. Kept for
  // one tick of the lease timer at the least: [1] are from before the last one.
  std::array<absl::flat_hash_set<uint64_t>, 2> early_cancels_ ABSL_GUARDED_BY(mu_);

  std::unique_ptr<io::Timer> lease_timer_;  // Owned by the loop's thread.
};

}  // namespace errand::executor

#endif  // ERRAND_SERVER_EXECUTOR_EXECUTOR_H_
