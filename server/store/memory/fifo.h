#ifndef ERRAND_SERVER_STORE_MEMORY_FIFO_H_
#define ERRAND_SERVER_STORE_MEMORY_FIFO_H_

#include <array>
#include <cstdint>
#include <deque>
#include <string>

#include "server/store/memory/record.h"
#include "server/task/limits.h"
#include "server/task/state.h"

namespace errand::store {

// Tasks linked through Record::previous and Record::next.
struct RecordList {
  void PushBack(Record* record);
  void PushFront(Record* record);
  void Remove(Record* record);

  Record* front = nullptr;
  Record* back = nullptr;
};

// The tasks of one queue that wait for one kind of handler.
struct WaitingLine {
  std::array<RecordList, task::kMaxPriority + 1> by_priority;
  int64_t size = 0;
};

// A queue, as far as the memory store keeps it: which tasks wait, and what counts against its bounds.
struct Queue {
  explicit Queue(std::string queue_name) : name(std::move(queue_name)) {}

  const std::string name;
  std::array<WaitingLine, task::kHandlerKinds> waiting;
  int64_t live_tasks = 0;  // Not ended.
  int64_t live_bytes = 0;
  int64_t kept_tasks = 0;  // In the store, ended or not.
};

// Tasks that may start: by priority, then in order, within each queue; the queues take turns, one task a
// turn, so that a long queue does not hold up a short one.
class Fifo {
 public:
  // The task waits behind all of its priority.
  void PushBack(Record* record);
  // The task waits before all of its priority.
  void PushFront(Record* record);
  // The task waits no longer. It must be waiting.
  void Remove(Record* record);
  // Takes the next task; null when none waits.
  Record* Pop(task::HandlerKind kind);

 private:
  void Joined(Record* record);
  void Unlink(Record* record);

  // The queues in which something waits for a kind of handler, the next one first.
  std::array<std::deque<Queue*>, task::kHandlerKinds> turns_;
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_FIFO_H_
