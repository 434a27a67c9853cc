#ifndef ERRAND_SERVER_STORE_MEMORY_RECORD_H_
#define ERRAND_SERVER_STORE_MEMORY_RECORD_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "errand/v1/task.pb.h"
#include "server/store/task_store.h"
#include "server/task/state.h"

namespace errand::store {

class TaskAdded;
class TaskMoved;
struct KeyLine;
struct Queue;
struct ScriptVersion;

// An event of a task. One that says nothing but a state, as most do, is not made before somebody reads it.
struct KeptEvent {
  std::shared_ptr<const v1::TaskEvent> made;
  // Of one that is not made.
  int64_t unix_nanos = 0;
  int32_t attempt = 0;
  v1::TaskState state = v1::TASK_STATE_UNSPECIFIED;
};

// What a task has gone through. Most of the tasks that wait have gone through nothing yet but being queued,
// and have no History: that keeps them small.
struct History {
  v1::Task output;    // The output-only fields that change after creation, but state and etag.
  int32_t tries = 0;  // Attempts since the last Retry.

  std::vector<KeptEvent> events;
  size_t dropped = 0;  // So many of `events` at the front are empty: erased together, not one by one.
  int64_t next_sequence = 1;
  int64_t read_sequence = 0;  // Events up to this one have been read and may not change any more.
  int64_t log_position = 0;   // Of the last event in the queue's log; 0 if it is not there.
  std::vector<WaitId> watchers;

  // While RUNNING.
  uint64_t lease_token = 0;
  LeaseHolder* holder = nullptr;
  bool cancel_requested = false;
};

// One task in memory: what was asked for, what has become of it, and its events. Guarded by the store's
// mutex.
struct Record {
  // Takes what the client asked for out of `task`, which is left in BASIC view (see AddOutput). In no state.
  Record(v1::Task& task, uint64_t order, Queue* queue, absl::Time now);
  // The same again.
  Record(const TaskAdded& added, Queue* queue);

  absl::string_view name() const { return {packed.get(), name_size}; }
  bool ended() const { return task::IsTerminal(state); }
  bool started() const { return history != nullptr && history->output.attempt_count() > 0; }
  int64_t latest_sequence() const { return history == nullptr ? 1 : history->next_sequence - 1; }
  int64_t oldest_sequence() const;

  // What the client asked for, with defaults.
  TaskSpec Spec() const;
  // The task as clients see it.
  v1::Task View(v1::TaskView view) const;
  // Adds what has become of the task to `task`, which has what was asked for.
  void AddOutput(v1::TaskView view, v1::Task& task) const;
  std::string Etag() const;

  // Enters a state and adds its event, with what `history` says of error, result and usage. `due` is when
  // the next attempt is due, where the state is SCHEDULED.
  void Enter(v1::TaskState state, absl::Time now, absl::Time due = absl::InfiniteFuture());
  // Counts an attempt and adds it to the history of attempts. Before Enter.
  void StartAttempt(const std::string& worker, absl::Time now);
  // Completes that entry. `usage` may be null.
  void EndAttempt(const google::rpc::Status& error, const v1::Usage* usage, absl::Time now);
  // Whether an event that an attempt reports takes the place of the last one, which nobody has read.
  bool Replaces(const v1::TaskEvent& event) const;
  // Adds such an event. At most `max_events` are kept.
  void AddReport(v1::TaskEvent event, bool replaces, absl::Time now, size_t max_events);
  // Makes a move again.
  void Replay(const TaskMoved& moved);
  // Up to `max_events` events after a sequence that is in range.
  EventBatch EventsAfter(int64_t sequence, int max_events);
  // The history, made now if there is none.
  History& Grown();

  // What was asked for: the name; serialized, the handler's message, and the rest as in BASIC view.
  std::unique_ptr<char[]> packed;
  uint32_t name_size = 0;
  uint32_t handler_size = 0;
  uint32_t basic_size = 0;
  int32_t revision = 0;

  const uint64_t order;  // Of submission; unique.
  Queue* const queue;
  const absl::Time create_time;
  v1::TaskState state = v1::TASK_STATE_UNSPECIFIED;
  uint8_t priority = 0;
  task::HandlerKind kind = task::HandlerKind::kLua;
  bool waiting = false;  // In the queue's waiting line.

  // While QUEUED: orders those that wait. Once ended: orders those that have.
  uint64_t position = 0;
  // Where there is an ordering key: the tasks that share it, and the place among them, until it has ended.
  KeyLine* key_line = nullptr;
  uint64_t key_position = 0;

  // While QUEUED: since when.
  absl::Time queued_time = absl::InfinitePast();
  // When to give up on it, until it has started.
  absl::Time expires = absl::InfiniteFuture();
  // While SCHEDULED: when it is due. While RUNNING: when its lease expires. And when it expires.
  absl::Time alarm = absl::InfiniteFuture();

  std::unique_ptr<History> history;

  // What it runs, where it names a script: held in the registry.
  ScriptVersion* script = nullptr;

  int64_t bytes() const { return int64_t{name_size} + basic_size + handler_size; }

 private:
  v1::Task Unpack(v1::TaskView view) const;
  // An entry in the history of attempts; of many the first is dropped.
  v1::Attempt* AddAttempt();
  // Adds an event to the task's and to the queue's log.
  void Add(std::shared_ptr<v1::TaskEvent> event, absl::Time now);
  // Adds an event of the present state to the task's, to be made later.
  void AddPlain(absl::Time now);
  std::shared_ptr<const v1::TaskEvent> Make(const KeptEvent& event, int64_t sequence) const;
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_RECORD_H_
