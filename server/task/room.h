#ifndef ERRAND_SERVER_TASK_ROOM_H_
#define ERRAND_SERVER_TASK_ROOM_H_

#include <cstdint>
#include <limits>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "errand/v1/queues.pb.h"

namespace errand::task {

// How many more tasks of one queue somebody takes on.
struct QueueRoom {
  int tasks = 0;
  // What the queue waits for when that is none.
  v1::HeldBy held_by = v1::HELD_BY_EXECUTORS;
};

// How many more tasks somebody takes on: in all, and of each queue, so that none takes the room of the
// others.
struct Room {
  int tasks = 1;
  // What all queues wait for where that is none, if it is not that executors are busy.
  v1::HeldBy held_by = v1::HELD_BY_UNSPECIFIED;
  // Of a queue that `queues` does not name.
  int tasks_a_queue = std::numeric_limits<int>::max();
  // By name, `queues/{queue}`.
  absl::flat_hash_map<std::string, QueueRoom> queues = {};
  // Of what the clients asked for. One task is taken whatever it has.
  int64_t bytes = std::numeric_limits<int64_t>::max();
};

}  // namespace errand::task

#endif  // ERRAND_SERVER_TASK_ROOM_H_
