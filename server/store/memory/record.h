#ifndef ERRAND_SERVER_STORE_MEMORY_RECORD_H_
#define ERRAND_SERVER_STORE_MEMORY_RECORD_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "errand/v1/task.pb.h"
#include "server/clock/moment.h"
#include "server/store/memory/body.h"
#include "server/store/memory/journal.h"
#include "server/store/memory/memory_budget.h"
#include "server/store/memory/output.h"
#include "server/store/task_store.h"
#include "server/task/state.h"

namespace errand::store {

class EndedPast;
class TaskAdded;
class TaskMoved;
class TaskPast;
struct KeyLine;
struct Lineage;
struct Queue;
struct ScriptVersion;

// An event of a task. Most are made for each who reads them: those that say nothing but a state, and the
// task's end, which says what its output says.
struct KeptEvent {
  std::shared_ptr<const v1::TaskEvent> made;
  // Of one that is not made.
  int64_t unix_nanos = 0;
  int32_t attempt = 0;
  v1::TaskState state = v1::TASK_STATE_UNSPECIFIED;
};

// Where the journal has the events of a task that has ended, and its result: an EndedPast.
struct StoredPast {
  JournalPlace place = 0;
  uint32_t bytes = 0;
  uint32_t events = 0;
};

// What a task has gone through, and what only some have. Most of the tasks that wait have gone through
// nothing yet but being queued, and have no History: that keeps them small.
struct History {
  Output output;
  int32_t tries = 0;  // Attempts since the last Retry.

  StoredPast stored;  // `place` 0: events and result are here.
  std::vector<KeptEvent> events;
  size_t dropped = 0;  // So many of `events` at the front are empty: erased together, not one by one.
  int64_t next_sequence = 1;
  int64_t event_bytes = 0;    // What those take that are made.
  int64_t read_sequence = 0;  // Events up to this one have been read and may not change any more.
  int64_t log_position = 0;   // Of the last event in the queue's log; 0 if it is not there.
  std::vector<WaitId> watchers;

  // While RUNNING.
  uint64_t lease_token = 0;
  LeaseHolder* holder = nullptr;
  bool cancel_requested = false;

  // While QUEUED: since when.
  OptionalTime queued_time;
  // When to give up on it, until it has started. Of one that has a ttl the end of that counts, and `expires`
  // is what the wall clock will show then as far as anybody knows.
  OptionalTime expires;
  clock::Instant ttl_end = clock::Instant::InfiniteFuture();
  // What it waits for (Alarms), infinite where it does not. While SCHEDULED: when it is due. While RUNNING:
  // the end of its lease. And when it expires.
  clock::Instant alarm = clock::Instant::InfiniteFuture();
  OptionalTime date;
  // Once it has ended: when.
  clock::Instant ended;
  // Where there is an ordering key: the tasks that share it, and the place among them, until it has ended.
  KeyLine* key_line = nullptr;
  uint64_t key_position = 0;
  // Where it was made by a script, or its script has made others.
  Lineage* lineage = nullptr;

  // What the budget was told that the task takes, and as what.
  int64_t counted = 0;
  Kept counted_as = Kept::kLive;
};

// A task as it was at one moment. Its body may have to be read yet.
struct Snapshot {
  v1::Task task;  // Its name, and what had become of it.
  task::HandlerKind kind = task::HandlerKind::kLua;
  v1::TaskView view = v1::TASK_VIEW_BASIC;
  std::string body;  // Empty until it was read.
  std::string past;  // The same of one that is stored, where the view has the result.

  // The task as clients see it.
  v1::Task Complete() &&;
};

// One task in memory: what has become of it, its events, and where what was asked for is. Guarded by the
// store's mutex. A million of them wait, so that bytes count: with an id that the server made it is 112.
struct Record {
  // Takes what the client asked for out of `task`, which is left in BASIC view (see AddOutput). In no state.
  static std::unique_ptr<Record> Make(v1::Task& task, uint64_t order, Queue* queue, absl::Time now);
  // The same again, or, of a task that is said again, with what it has gone through.
  static std::unique_ptr<Record> Make(const TaskAdded& added, Queue* queue);

  static void operator delete(void* record) { ::operator delete(record); }

  absl::string_view body_view() const { return {body.get(), body_size}; }
  absl::string_view id() const { return {rest(), id_size}; }
  absl::string_view ordering_key() const { return {rest() + id_size, key_size}; }
  // What it runs, where it names a script: held in the registry. Null until it was set.
  ScriptVersion* script() const;
  // Of one that names a script.
  void set_script(ScriptVersion* version);
  std::string name() const;
  bool ended() const { return task::IsTerminal(state); }
  bool started() const { return history != nullptr && history->output.attempt_count > 0; }
  int64_t latest_sequence() const { return history == nullptr ? 1 : history->next_sequence - 1; }
  int64_t oldest_sequence() const;
  absl::Time create_time() const { return absl::FromUnixNanos(create_nanos); }
  absl::Time queued_time() const { return history == nullptr ? create_time() : history->queued_time.get(); }
  absl::Time expires() const { return history == nullptr ? absl::InfiniteFuture() : history->expires.get(); }
  Lineage* lineage() const { return history == nullptr ? nullptr : history->lineage; }
  clock::Instant ttl_end() const {
    return history == nullptr ? clock::Instant::InfiniteFuture() : history->ttl_end;
  }
  bool has_ttl() const { return ttl_end() != clock::Instant::InfiniteFuture(); }
  // Where it expires at a time of day.
  absl::Time expiry_date() const { return has_ttl() ? absl::InfiniteFuture() : expires(); }
  bool HasExpired(const clock::Moment& now) const {
    return ttl_end() <= now.instant || expiry_date() <= now.time;
  }
  void NeverExpires();
  // A time at which something happens to the task: not before its latest event, though the wall clock may
  // have been set back since.
  absl::Time NotBeforeLast(absl::Time time) const;
  KeyLine* key_line() const { return history == nullptr ? nullptr : history->key_line; }

  // What the client asked for, with defaults; its body is in memory.
  TaskSpec Spec() const;
  // As it is now.
  Snapshot View(v1::TaskView view) const;
  // Adds what has become of the task to `task`, which has what was asked for.
  void AddOutput(v1::TaskView view, v1::Task& task) const;
  std::string Etag() const;

  // These take the time of day.
  // Enters a state and adds its event, with what `history` says of error, result and usage. `due` is when
  // the next attempt is due, where the state is SCHEDULED.
  void Enter(v1::TaskState state, absl::Time now, absl::Time due = absl::InfiniteFuture());
  // Counts an attempt and adds it to the history of attempts. Before Enter.
  void StartAttempt(const std::string& worker, absl::Time now);
  // Completes that entry. `error` may be null.
  void EndAttempt(std::shared_ptr<const google::rpc::Status> error, KeptUsage usage, absl::Time now);
  // Whether an event that an attempt reports takes the place of the last one, which nobody has read.
  bool Replaces(const v1::TaskEvent& event) const;
  // Adds such an event. At most `max_events` are kept, and of more than one at most `max_bytes`. Returns how
  // many bytes more a journal needs of the task: less than none where others go.
  int64_t AddReport(v1::TaskEvent event, bool replaces, absl::Time now, size_t max_events, int64_t max_bytes);
  // What the running attempt leaves to the next one: an encoded v1::TaskResult.
  void KeepResult(std::string result) {
    Grown().output.result = std::move(result);
    ++revision;
  }
  // Makes a move again.
  void Replay(const TaskMoved& moved);
  // The state that a task was in when it was said again, with what it had gone through.
  void Restore(const TaskMoved& present, const TaskPast& past);
  // What Restore needs. There is a history.
  void DescribePast(TaskPast& past) const;
  // Up to `max_events` events after a sequence that is in range, and of more than one at most `max_bytes`.
  // They are not stored.
  EventBatch EventsAfter(int64_t sequence, int max_events, int64_t max_bytes);

  // Of one that has ended.
  bool is_stored() const { return history != nullptr && history->stored.place != 0; }
  // What events and result take in memory, about.
  int64_t PastBytes() const;
  // An EndedPast, encoded.
  std::string PackPast() const;
  // They are stored from now on, but for the place, and not here. Returns what the journal has of them so far
  // and needs no more.
  int64_t DropPast(uint32_t packed_bytes);
  // Has them here again: of one that is stored, or, as moves are made again, was so before its latest events.
  void RestorePast(EndedPast past);
  // Of one that has ended: makes its last event again if all were lost, as after a repair.
  void EndIsKept();
  // Drops the oldest events where there are more. Returns how many bytes a journal needs less of them.
  int64_t TrimEvents(size_t max_events, int64_t max_bytes);
  // The history, made now if there is none.
  History& Grown();

  // What counts against a queue's bounds.
  int64_t bytes() const;
  // What it takes in memory, about. Without a history it is the same as long as its body is there, or not.
  int64_t MemoryBytes() const;

  const uint64_t order;  // Of submission; unique.
  Queue* const queue;
  const int64_t create_nanos;
  // While QUEUED: orders those that wait. Once ended: orders those that have.
  uint64_t position = 0;

  // What was asked for (body.h). With a journal it is there, too, at `place`, and may be missing here.
  std::unique_ptr<char[]> body;
  JournalPlace place = 0;
  std::unique_ptr<History> history;

  uint32_t body_size = 0;
  uint32_t logged_bytes = 0;  // What the journal has of the task since `place`, and still needs.
  int32_t revision = 0;
  v1::TaskState state = v1::TASK_STATE_UNSPECIFIED;
  const uint16_t key_size;
  const uint8_t id_size;
  uint8_t priority : 4 = 0;
  task::HandlerKind kind : 2 = task::HandlerKind::kLua;
  bool waiting : 1 = false;  // In the queue's waiting line.
  const bool has_script : 1;

 private:
  // What stands behind the other members.
  struct Rest {
    absl::string_view id;
    absl::string_view ordering_key;
    bool has_script;
    size_t size() const { return id.size() + ordering_key.size() + (has_script ? sizeof(void*) : 0); }
  };

  // With room for the rest.
  static std::unique_ptr<Record> New(const Rest& rest, uint64_t order, Queue* queue, absl::Time now);
  Record(const Rest& rest, uint64_t order, Queue* queue, absl::Time now);

  // An entry in the history of attempts; of many the first is dropped.
  KeptAttempt& AddAttempt();
  KeptAttempt Keep(const v1::Attempt& attempt) const;
  // Adds an event to the task's and to the queue's log. `made` is the same; it may be null if the queue has
  // no log.
  void Add(KeptEvent event, std::shared_ptr<const v1::TaskEvent> made);
  // Fills in what all events have.
  void Stamp(v1::TaskEvent& event, int64_t sequence, int32_t attempt, absl::Time time) const;
  // Makes an event that is not made.
  std::shared_ptr<v1::TaskEvent> Make(const KeptEvent& event, int64_t sequence) const;
  // Adds what the output says now.
  void AddOutcome(v1::StateChange& change) const;
  void DropOldestEvent();
  // Has the event of the task's end made, where it has ended: the output is about to change.
  void KeepEnd();

  char* rest() { return reinterpret_cast<char*>(this + 1) - sizeof rest_; }
  const char* rest() const { return reinterpret_cast<const char*>(this + 1) - sizeof rest_; }

  // Where the rest begins: the id, the ordering key, and, of one that names a script, the ScriptVersion*.
  char rest_[4];
};

// What is stored of a task with these sequences. DATA_LOSS if that is not what it is.
absl::StatusOr<EndedPast> UnpackPast(absl::string_view bytes, int64_t oldest_sequence,
                                     int64_t latest_sequence);
// As Record::EventsAfter, of what is stored.
EventBatch StoredEventsAfter(EndedPast& past, int64_t sequence, int max_events, int64_t max_bytes);

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_RECORD_H_
