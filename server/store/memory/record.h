#ifndef ERRAND_SERVER_STORE_MEMORY_RECORD_H_
#define ERRAND_SERVER_STORE_MEMORY_RECORD_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "errand/v1/task.pb.h"
#include "server/store/task_store.h"

namespace errand::store {

struct Queue;

// One task in memory: what was asked for, what has become of it, and its events. Guarded by the store's
// mutex.
struct Record {
  // Starts with `spec`, in no state.
  Record(TaskSpec spec, uint64_t order, Queue* queue);

  const std::string& name() const { return spec->name(); }
  bool ended() const { return task::IsTerminal(output.state()); }
  int64_t latest_sequence() const { return next_sequence - 1; }
  int64_t oldest_sequence() const { return next_sequence - static_cast<int64_t>(events.size() - dropped); }

  // Enters a state and adds its event, with what `output` says of error, result and usage.
  void Enter(v1::TaskState state, absl::Time now);

  // Adds an event that an attempt reported. At most `max_events` are kept.
  void AddReport(v1::TaskEvent event, absl::Time now, size_t max_events);

  // Up to `max_events` events after a sequence that is in range.
  EventBatch EventsAfter(int64_t sequence, int max_events);

  std::string Etag() const;

  // The task as clients see it.
  v1::Task View(v1::TaskView view) const;

  const TaskSpec spec;
  const uint64_t order;  // Of submission; unique.
  Queue* const queue;
  const int64_t bytes;  // What counts against the queue's bound.

  v1::Task output;  // The output-only fields.
  int64_t revision = 0;
  std::vector<std::shared_ptr<const v1::TaskEvent>> events;
  size_t dropped = 0;  // So many of `events` at the front are null: erased together, not one by one.
  int64_t next_sequence = 1;
  int64_t read_sequence = 0;  // Events up to this one have been read and may not change any more.
  std::vector<WaitId> watchers;

  // While SCHEDULED: when it is due. While RUNNING: when its lease expires.
  absl::Time alarm = absl::InfiniteFuture();

  // While RUNNING.
  uint64_t lease_token = 0;
  LeaseHolder* holder = nullptr;
  bool cancel_requested = false;

  // While QUEUED: the neighbours in the Fifo's list.
  Record* previous = nullptr;
  Record* next = nullptr;

 private:
  void Add(std::shared_ptr<v1::TaskEvent> event, absl::Time now);
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_RECORD_H_
