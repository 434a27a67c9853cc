#ifndef ERRAND_SERVER_STORE_MEMORY_QUEUE_H_
#define ERRAND_SERVER_STORE_MEMORY_QUEUE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "errand/v1/queues.pb.h"
#include "server/clock/instant.h"
#include "server/store/memory/event_log.h"
#include "server/store/memory/rate_meter.h"
#include "server/store/memory/record.h"
#include "server/store/memory/token_bucket.h"
#include "server/store/memory/wall_steps.h"
#include "server/task/limits.h"
#include "server/task/state.h"

namespace errand::store {

// The tasks of one queue that may start and wait for one kind of handler.
struct WaitingLine {
  void Add(Record* record);
  void Remove(Record* record);
  // The first of the highest priority; null when none waits.
  Record* First() const;

  struct ByPosition {
    bool operator()(const Record* a, const Record* b) const {
      // A journal may say that two have the same.
      return a->position != b->position ? a->position < b->position : a->order < b->order;
    }
  };
  std::array<absl::btree_set<Record*, ByPosition>, task::kMaxPriority + 1> by_priority;
  int64_t size = 0;
  bool in_turns = false;  // Has a place there, or is put aside: see Turns.
  int credit = 0;         // How many more tasks may start in this turn.
};

// The tasks that share an ordering key and have not ended. Only the first of them may start.
struct KeyLine {
  std::string key;
  absl::btree_map<uint64_t, Record*> tasks;  // By key_position.
};

// What a queue's name is held by, the first that is true. Each is bounded apart, so that what one client can
// have without end does not take the names that others need.
enum class NameHolder { kServer, kSettings, kTasks, kWatchers };
constexpr size_t kNameHolders = 4;

// A queue: its settings, which of its tasks wait, and what counts against its bounds. Guarded by the store's
// mutex.
struct Queue {
  // A queue that is `permanent` exists without tasks and settings.
  Queue(std::string queue_name, bool is_permanent)
      : name(std::move(queue_name)), permanent(is_permanent), holder(Holder()) {}

  // A task has gone from one state to another; UNSPECIFIED is outside of the queue.
  void Moved(v1::TaskState from, v1::TaskState to) {
    --by_state[from];
    ++by_state[to];
  }
  int64_t live_tasks() const {
    return by_state[v1::TASK_STATE_SCHEDULED] + by_state[v1::TASK_STATE_QUEUED] + running();
  }
  int64_t running() const { return by_state[v1::TASK_STATE_RUNNING]; }

  // What keeps tasks that wait from starting: UNSPECIFIED if nothing does, or the pause, the rate limit or
  // max_running.
  v1::HeldBy HeldBack(clock::Instant now);
  NameHolder Holder() const;
  // Whether anything would be lost with the queue.
  bool Disposable() const;
  // As clients see it.
  v1::Queue View() const;
  // `steps`: of the store's clocks.
  v1::QueueStats Stats(clock::Instant now, const WallSteps& steps);

  const std::string name;
  const bool permanent;

  v1::Queue settings;  // Without name, state and etag.
  bool paused = false;
  int purges = 0;         // Under way.
  bool deleting = false;  // With the last of these it goes.
  uint64_t revision = 0;  // Of settings and pause; unique in the store.

  std::array<int64_t, v1::TaskState_ARRAYSIZE> by_state{};
  int64_t live_bytes = 0;
  int64_t live_memory = 0;                  // Of its tasks that have not ended: Kept::kLive.
  std::unordered_set<std::string> workers;  // The names of those that its attempts ran on: a few.

  absl::btree_map<uint64_t, Record*> records;  // All, by Record::order.
  absl::btree_map<uint64_t, Record*> ended;    // By Record::position.
  std::array<WaitingLine, task::kHandlerKinds> lines;
  absl::flat_hash_map<std::string, std::unique_ptr<KeyLine>> keys;
  TokenBucket bucket;
  RateMeter created;
  RateMeter finished;

  std::unique_ptr<EventLog> log;  // From the first WatchQueue on.
  std::vector<WaitId> watchers;

  NameHolder holder;  // As it is counted.

  // When tokens come or retention ends.
  clock::Instant alarm = clock::Instant::InfiniteFuture();
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_QUEUE_H_
