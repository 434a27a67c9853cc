#ifndef ERRAND_SERVER_STORE_TASK_STORE_H_
#define ERRAND_SERVER_STORE_TASK_STORE_H_

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "errand/v1/queues.pb.h"
#include "errand/v1/scripts.pb.h"
#include "errand/v1/task.pb.h"
#include "google/protobuf/field_mask.pb.h"
#include "server/task/filter.h"
#include "server/task/room.h"
#include "server/task/script.h"
#include "server/task/state.h"

// Where tasks are kept: the FIFO, the leases of those that run, and the events of each.
//
// Every call is asynchronous, and those about tasks take a batch, so that no caller waits for a disk or a
// network and one commit serves many. Any thread may call. A call's callback is called exactly once, on any
// thread, maybe before the call returns, and never with a lock of the store held; it must not block. Results
// stand in the order of what was asked. Errors are made with task/errors.h:
//   NOT_FOUND            no such task, queue or script
//   RESOURCE_EXHAUSTED   the queue or the memory is full, or there are too many scripts
//   FAILED_PRECONDITION  an illegal move: a stale lease, a task that has ended, or has not
//   ABORTED              the etag given is not that of the task or queue
//   UNAVAILABLE          the store is closed, or its medium failed
//   UNKNOWN              the outcome is not known; the same call made again is idempotent
namespace errand::store {

template <class T>
using Callback = absl::AnyInvocable<void(T)>;

// What the client asked for; shared, never changed.
using TaskSpec = std::shared_ptr<const v1::Task>;

// The version of a registered script that a task runs; shared by all that do.
using ScriptSource = std::shared_ptr<const task::Script>;

// A claim's proof of ownership. The attempt number is part of the task's history before Claim's callback.
struct Lease {
  std::string task;    // The task's name.
  uint64_t token = 0;  // Never given out twice.
};

struct Submission {
  // Valid; name and uid are set, `ttl` has become `expire_time`, the other output-only fields are not set.
  // The store fills in what it leaves open: the queue's defaults, then the server's; the version of the
  // script that it names; and the durability. Borrowed, and changed, until the answer comes.
  v1::Task* task = nullptr;
  // Empty, or what makes a repeated submission return the task of the first (AIP-155). Counts within the
  // task's queue.
  std::string request_id;
  // Answer as if the task had been queued, but change nothing. Not with kAllOrNone.
  bool validate_only = false;
  // Null, or the attempt whose script makes the task, which becomes a descendant of its own. Borrowed until
  // the answer comes. Not with kAllOrNone.
  const Lease* submitter = nullptr;
  // Where `expire_time` was a ttl: that is measured, whatever becomes of the wall clock.
  std::optional<absl::Duration> ttl;
};

enum class SubmitMode {
  kEach,       // Each is queued, or not, for itself.
  kAllOrNone,  // If any is refused none is queued; the entries of those that are not to blame are CANCELLED.
};

// A task that was claimed.
struct ClaimedTask {
  Lease lease;
  TaskSpec task;
  ScriptSource script;             // Null unless the task names one.
  int32_t attempt = 0;             // 1 for the first.
  int32_t tries = 0;               // The same, counted from the last Retry: what the retry policy counts.
  int32_t weight = 1;              // Of its queue.
  absl::Time create_time;          // When the task was acknowledged.
  v1::TaskResult previous_result;  // What the attempt before left.
};

// Whoever holds leases.
class LeaseHolder {
 public:
  virtual ~LeaseHolder() = default;

  // The task was cancelled: stop the attempt, then Finish it as CANCELLED. Same rules as for callbacks.
  virtual void OnCancelRequested(const Lease& lease) = 0;
};

struct ClaimRequest {
  task::HandlerKind kind = task::HandlerKind::kLua;
  task::Room room;  // May be none, to say what queues wait for.
  // Each task is the caller's for this long, unless extended.
  absl::Duration lease_duration;
  // Borrowed until the last lease is finished or has expired.
  LeaseHolder* holder = nullptr;
  // Where the attempts run, for their history.
  std::string worker;
};

// What becomes of a task whose attempt is over.
enum class Verdict {
  kSucceeded,
  kFailed,    // Dead letter: no further attempt.
  kRetry,     // Another attempt after `retry_delay`.
  kReleased,  // The attempt was interrupted by its executor: another one at once, at the queue's front.
  kPutOff,    // It came too early: another attempt after `retry_delay`, and this one was no try.
  kCancelled,
};

struct FinishRequest {
  Lease lease;
  Verdict verdict = Verdict::kSucceeded;
  absl::Duration retry_delay;
  google::rpc::Status error;
  v1::TaskResult result;
  v1::Usage usage;
};

// What a running attempt leaves to the next one, should it be interrupted.
struct KeepRequest {
  Lease lease;
  v1::TaskResult result;
};

// Something a running attempt wants to show. Best effort: a stale lease drops it silently.
struct Report {
  Lease lease;
  v1::TaskEvent event;  // Progress, log or output; the rest is filled in.
};

// A change that a client asks for.
struct ChangeRequest {
  std::string name;
  std::string etag;  // Empty, or the task's etag must be this one, otherwise ABORTED.
};

// What became of a task that was cancelled with its descendants.
struct CancelledTree {
  std::optional<v1::Task> task;  // In BASIC view; nothing where it is not kept any more.
  int64_t descendants = 0;       // So many were cancelled, or are being stopped.
};

struct GetRequest {
  std::string name;
  v1::TaskView view = v1::TASK_VIEW_FULL;
};

struct ListRequest {
  std::string queue;         // `queues/{queue}`; empty for all.
  uint64_t after_order = 0;  // Where the page before ended.
  int max_tasks = 100;
  v1::TaskView view = v1::TASK_VIEW_BASIC;
  std::shared_ptr<const task::Filter> filter;  // Null: all.
};

struct ListPage {
  std::vector<v1::Task>
      tasks;  // In the order of submission. Maybe fewer than asked for, though there are more.
  std::vector<uint64_t> orders;  // Of each of them: a page that is cut short there goes on after it.
  uint64_t last_order = 0;       // For the next page.
  bool more = false;
};

// A part of a task's events, in order and without a gap.
struct EventBatch {
  std::vector<std::shared_ptr<const v1::TaskEvent>> events;
  bool ended = false;  // The last one is that of a terminal state.
};

struct WatchRequest {
  std::string name;
  int64_t after_sequence = 0;
  int max_events = 256;
  int64_t max_bytes = int64_t{1} << 20;  // Fewer events, but one, where they would be more.
};

// A part of the events of all tasks of a queue, in order; within each task without a gap, but for progress
// that was replaced.
struct QueueEventBatch {
  std::vector<std::shared_ptr<const v1::TaskEvent>> events;
  int64_t position = 0;  // Of the last one, or where the queue stands; never 0.
};

struct WatchQueueRequest {
  std::string queue;           // `queues/{queue}`.
  int64_t after_position = 0;  // 0: from now on.
  int max_events = 256;
  int64_t max_bytes = int64_t{1} << 20;  // As in WatchRequest.
  int64_t through_position =
      std::numeric_limits<int64_t>::max();  // Nothing that is later; more than the first.
};

// A page of what is listed by name.
struct NamePage {
  std::string after_name;  // The last name of the page before.
  int max_entries = 100;
};

struct DeleteQueueRequest {
  std::string name;    // `queues/{queue}`.
  std::string etag;    // Empty, or the queue's etag must be this one, otherwise ABORTED.
  bool force = false;  // Its tasks as well.
};

struct QueuePage {
  std::vector<v1::Queue> queues;  // By name.
  bool more = false;
};

struct PutScriptRequest {
  std::string name;  // `scripts/{script}`.
  std::string source;
  // As for a Submission. Counts within the script's name.
  std::string request_id;
  bool validate_only = false;
};

struct GetScriptRequest {
  std::string name;
  int64_t version = 0;  // 0: the current one.
};

struct ScriptPage {
  std::vector<v1::Script> scripts;  // By name, without their sources.
  bool more = false;
};

// Names an outstanding Claim, Watch or WatchQueue.
using WaitId = uint64_t;

class TaskStore {
 public:
  // Every outstanding callback has been called when the destructor returns.
  virtual ~TaskStore() = default;

  // Queues each task, or says why not: ALREADY_EXISTS, RESOURCE_EXHAUSTED, NOT_FOUND (a queue that does not
  // exist and must not be created, or a script that does not), INVALID_ARGUMENT (more durability than the
  // store has), FAILED_PRECONDITION (StoreOptions::unclaimed). A task that names a script is bound to the
  // version that is current, and that version is kept as long as the task is. A task is as safe as the store
  // makes it when its entry says OK. `Submission::task` is then the task in BASIC view: that of the first
  // submission where the request id was seen before. Of a task that was refused, name and uid are left. A
  // task with a `submitter` is refused with FAILED_PRECONDITION where that is over or being cancelled, or the
  // depth is too great, or the queue was purged meanwhile; with RESOURCE_EXHAUSTED where too many of its
  // family live.
  virtual void Submit(std::vector<Submission> submissions, SubmitMode mode,
                      Callback<std::vector<absl::Status>> done) = 0;

  // Takes tasks off the queues. Queues with tasks that may start take turns, `Queue.weight` tasks a turn;
  // within a queue tasks go by priority, then in the order in which they became QUEUED. Waits until there is
  // at least one. An empty result: StopWaiting or Close was called.
  virtual WaitId Claim(ClaimRequest request, Callback<std::vector<ClaimedTask>> done) = 0;

  // Moves the end of each lease to `lease_duration` from now.
  virtual void Extend(std::vector<Lease> leases, absl::Duration lease_duration,
                      Callback<std::vector<absl::Status>> done) = 0;

  // Ends attempts. FAILED_PRECONDITION for a stale lease: the task then belongs to somebody else.
  virtual void Finish(std::vector<FinishRequest> requests, Callback<std::vector<absl::Status>> done) = 0;

  // Gives tasks that run a result, which the next attempt finds as its `previous_result` (see Claim). As safe
  // as the task when its entry says OK; FAILED_PRECONDITION for a stale lease.
  virtual void Keep(std::vector<KeepRequest> requests, Callback<std::vector<absl::Status>> done) = 0;

  // Adds to the events of running attempts.
  virtual void Append(std::vector<Report> reports) = 0;

  // Cancels each task, see Tasks.CancelTask. The entry is the task in BASIC view.
  virtual void Cancel(std::vector<ChangeRequest> requests,
                      Callback<std::vector<absl::StatusOr<v1::Task>>> done) = 0;

  // Cancels a task and all that live below it, see CancelTaskRequest.descendants. NOT_FOUND: the task is not
  // kept, and nothing below it is.
  virtual void CancelTree(ChangeRequest request, Callback<absl::StatusOr<CancelledTree>> done) = 0;

  // Puts each task back into its queue, see Tasks.RetryTask. The entry is the task in BASIC view.
  virtual void Retry(std::vector<ChangeRequest> requests,
                     Callback<std::vector<absl::StatusOr<v1::Task>>> done) = 0;

  // Forgets each task, see Tasks.DeleteTask.
  virtual void Delete(std::vector<ChangeRequest> requests, Callback<std::vector<absl::Status>> done) = 0;

  virtual void Get(std::vector<GetRequest> requests,
                   Callback<std::vector<absl::StatusOr<v1::Task>>> done) = 0;

  virtual void List(ListRequest request, Callback<absl::StatusOr<ListPage>> done) = 0;

  // The events after a sequence, as soon as there is at least one; to go on, watch again after the last
  // one. A task that has ended and whose last event was seen gives an empty batch that says so. Errors:
  // NOT_FOUND, also when the task is forgotten while watched; OUT_OF_RANGE, see Tasks.WatchTask;
  // CANCELLED: StopWaiting was called.
  virtual WaitId Watch(WatchRequest request, Callback<absl::StatusOr<EventBatch>> done) = 0;

  // The events of a queue's tasks after a position, as soon as there is at least one; `after_position` 0
  // gives an empty batch at once, to go on from. Errors: NOT_FOUND (as for Submit); OUT_OF_RANGE, see
  // Tasks.WatchQueue; CANCELLED: StopWaiting was called.
  virtual WaitId WatchQueue(WatchQueueRequest request, Callback<absl::StatusOr<QueueEventBatch>> done) = 0;

  // Queues and their settings, see errand/v1/queues.proto. Seldom called: no batches. Names, settings and
  // mask are valid; what they come to together is checked here (task/queue_settings.h).
  virtual void GetQueue(std::string name, Callback<absl::StatusOr<v1::Queue>> done) = 0;
  virtual void ListQueues(NamePage request, Callback<absl::StatusOr<QueuePage>> done) = 0;
  virtual void UpdateQueue(v1::Queue settings, google::protobuf::FieldMask mask,
                           Callback<absl::StatusOr<v1::Queue>> done) = 0;
  virtual void SetQueueState(std::string name, v1::QueueState state,
                             Callback<absl::StatusOr<v1::Queue>> done) = 0;
  // The number of tasks forgotten.
  virtual void PurgeQueue(std::string name, Callback<absl::StatusOr<int64_t>> done) = 0;
  // The number of tasks forgotten with it. FAILED_PRECONDITION, see Queues.DeleteQueue.
  virtual void DeleteQueue(DeleteQueueRequest request, Callback<absl::StatusOr<int64_t>> done) = 0;
  virtual void GetQueueStats(std::string name, Callback<absl::StatusOr<v1::QueueStats>> done) = 0;

  // Registered scripts, see errand/v1/scripts.proto. Seldom called: no batches. Names are valid, and sources
  // compile. A new version is current before the callback says so. RESOURCE_EXHAUSTED: see StoreOptions.
  virtual void PutScript(PutScriptRequest request, Callback<absl::StatusOr<v1::Script>> done) = 0;
  // With its source.
  virtual void GetScript(GetScriptRequest request, Callback<absl::StatusOr<v1::Script>> done) = 0;
  virtual void ListScripts(NamePage request, Callback<absl::StatusOr<ScriptPage>> done) = 0;
  // Forgets the name; tasks keep the versions that they have. No version of the name is ever used again.
  virtual void DeleteScript(std::string name, Callback<absl::Status> done) = 0;

  // What all that is kept in memory takes, about.
  virtual int64_t MemoryBytes() = 0;

  // Calls the callback of an outstanding Claim, Watch or WatchQueue. Nothing happens if that was called
  // already.
  virtual void StopWaiting(WaitId id) = 0;

  // Refuses all further calls with UNAVAILABLE and ends those that wait. Every callback of a call that was
  // made before has been called when it returns. Not from a callback.
  virtual void Close() = 0;
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_TASK_STORE_H_
