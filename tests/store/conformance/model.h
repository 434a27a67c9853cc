#ifndef ERRAND_TESTS_STORE_CONFORMANCE_MODEL_H_
#define ERRAND_TESTS_STORE_CONFORMANCE_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/store/task_store.h"

namespace errand::store {

// What a store promises, written as plainly as can be: every question looks at every task.
class Model {
 public:
  struct Task {
    std::string id;
    std::string queue;
    int priority = 0;
    std::string key;
    std::string request_id;
    std::string script;   // Empty: the task carries its source.
    int64_t version = 0;  // Of the script.
    absl::Time due = absl::InfinitePast();
    absl::Time expires = absl::InfiniteFuture();

    v1::TaskState state = v1::TASK_STATE_UNSPECIFIED;
    int attempts = 0;
    int tries = 0;       // Attempts since the last retry.
    int64_t events = 0;  // The latest sequence.
    bool ends_in_progress =
        false;              // The last event is a progress report of this attempt that nobody has read.
    uint64_t order = 0;     // Of creation.
    uint64_t parent = 0;    // Order of the task that made it; 0: a client did.
    uint64_t position = 0;  // Of becoming QUEUED.
    uint64_t key_position = 0;
    uint64_t token = 0;
    absl::Time lease_end = absl::InfiniteFuture();
    bool cancel_requested = false;
    absl::Time end;
    uint64_t end_position = 0;

    bool waits() const { return state == v1::TASK_STATE_SCHEDULED || state == v1::TASK_STATE_QUEUED; }
    bool live() const { return waits() || state == v1::TASK_STATE_RUNNING; }
  };
  struct Queue {
    bool paused = false;
    int max_running = 0;
    size_t max_count = std::numeric_limits<size_t>::max();
    absl::Duration max_age = absl::InfiniteDuration();
  };
  // A task that is, or was: what its family knows of it.
  struct Place {
    std::string id;
    uint64_t parent = 0;
    uint64_t root = 0;
    int depth = 0;
    uint64_t since = 0;  // Of a root: the lease with which its family began.
  };
  struct Script {
    int64_t current = 0;  // 0: it is not registered.
    int64_t latest = 0;
  };

  static constexpr int kMaxDepth = 3;
  static constexpr int kMaxDescendants = 4;

  Model(int max_live, absl::Time now) : max_live_(max_live), now_(now) {}

  // Whether there is room for one more in the queue.
  bool HasRoom(const std::string& queue) const;
  void Submit(Task task);
  // Why a running task may not make one in a queue; empty: it may.
  std::string WhyNot(const Task& by, const std::string& queue);
  // `by` makes a task.
  void SubmitBy(const Task& by, Task task);
  // The task that must be the next one of its queue to start; null when none may.
  Task* NextOf(const std::string& queue);
  void Start(Task& task, uint64_t token, absl::Time lease_end);
  void Finish(Task& task, Verdict verdict, absl::Time retry_at);
  void Cancel(Task& task);
  // A task that is kept, or is the latest of that name of which descendants are; 0: there is none.
  uint64_t FamilyHead(const std::string& id);
  // How many are cancelled below it.
  int64_t CancelTree(uint64_t order);
  // What is being cancelled is so until nothing of it lives. After each step.
  void SettleCancels();
  // Whether it is below, or is, what is being cancelled.
  bool IsBeingCancelled(uint64_t order);
  void Retry(Task& task);
  void Report(Task& task, bool progress);
  int64_t Purge(const std::string& queue);
  // What happens until `now`.
  void Advance(absl::Time now);
  // The process that held everything ends, and a new one takes over.
  void Restart();
  // The ids of the ended tasks that their queues keep no longer.
  std::vector<std::string> Old() const;

  Task* Find(const std::string& id);
  void Erase(const std::string& id) { tasks_.erase(id); }
  Queue& queue(const std::string& name) { return queues_[name]; }
  Script& script(const std::string& name) { return scripts_[name]; }
  // Whether this version of a script must be kept.
  bool Keeps(const std::string& name, int64_t version) const;
  const std::map<std::string, Task>& tasks() const { return tasks_; }
  // Of a queue, by order of creation.
  std::vector<std::string> List(const std::string& queue) const;

 private:
  void Enter(Task& task, v1::TaskState state);
  void Enqueue(Task& task);
  // Null where it is forgotten.
  Task* At(uint64_t order);
  bool IsBelow(uint64_t order, uint64_t above) const;
  std::vector<Task*> LivingBelow(uint64_t above);  // By order.

  const int max_live_;
  absl::Time now_;
  uint64_t counter_ = 0;
  uint64_t last_token_ = 0;
  std::map<std::string, Task> tasks_;
  std::map<uint64_t, Place> places_;           // Of all that there ever were, by order.
  std::set<uint64_t> cancelled_;               // With their descendants, by order.
  std::map<std::string, uint64_t> purged_at_;  // The last token before it, by queue.
  std::map<std::string, Queue> queues_;
  std::map<std::string, Script> scripts_;
};

}  // namespace errand::store

#endif  // ERRAND_TESTS_STORE_CONFORMANCE_MODEL_H_
