#ifndef ERRAND_TESTS_STORE_CONFORMANCE_MODEL_H_
#define ERRAND_TESTS_STORE_CONFORMANCE_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
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
  struct Script {
    int64_t current = 0;  // 0: it is not registered.
    int64_t latest = 0;
  };

  Model(int max_live, absl::Time now) : max_live_(max_live), now_(now) {}

  // Whether there is room for one more in the queue.
  bool HasRoom(const std::string& queue) const;
  void Submit(Task task);
  // The task that must be the next one of its queue to start; null when none may.
  Task* NextOf(const std::string& queue);
  void Start(Task& task, uint64_t token, absl::Time lease_end);
  void Finish(Task& task, Verdict verdict, absl::Time retry_at);
  void Cancel(Task& task);
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

  const int max_live_;
  absl::Time now_;
  uint64_t counter_ = 0;
  std::map<std::string, Task> tasks_;
  std::map<std::string, Queue> queues_;
  std::map<std::string, Script> scripts_;
};

}  // namespace errand::store

#endif  // ERRAND_TESTS_STORE_CONFORMANCE_MODEL_H_
