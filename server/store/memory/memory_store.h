#ifndef ERRAND_SERVER_STORE_MEMORY_MEMORY_STORE_H_
#define ERRAND_SERVER_STORE_MEMORY_MEMORY_STORE_H_

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "google/protobuf/arena.h"
#include "server/clock/condition_variable.h"
#include "server/clock/moment.h"
#include "server/store/memory/alarms.h"
#include "server/store/memory/journal.h"
#include "server/store/memory/lineage.h"
#include "server/store/memory/memory_budget.h"
#include "server/store/memory/purge_marks.h"
#include "server/store/memory/queue.h"
#include "server/store/memory/record.h"
#include "server/store/memory/record_table.h"
#include "server/store/memory/script_registry.h"
#include "server/store/memory/turns.h"
#include "server/store/memory/wall_steps.h"
#include "server/store/store_options.h"
#include "server/store/task_store.h"

namespace errand::store {

class Change;
class EndedPast;

// A TaskStore that works in this process's memory. Without a journal the tasks are gone when it is; with one
// every answer, and every event that somebody sees, is of what is safe there. Only a task that is claimed may
// start before its claim is safe: the task itself is.
class MemoryStore final : public TaskStore {
 public:
  explicit MemoryStore(StoreOptions options);
  // The store that a journal tells of. Attempts that ran when it ended are over, and their tasks are queued
  // again, at the front. DATA_LOSS, with the reason, when that cannot be right.
  static absl::StatusOr<std::unique_ptr<MemoryStore>> Open(StoreOptions options,
                                                           std::unique_ptr<Journal> journal);
  ~MemoryStore() override;

  void Submit(std::vector<Submission> submissions, SubmitMode mode,
              Callback<std::vector<absl::Status>> done) override;
  WaitId Claim(ClaimRequest request, Callback<std::vector<ClaimedTask>> done) override;
  void Extend(std::vector<Lease> leases, absl::Duration lease_duration,
              Callback<std::vector<absl::Status>> done) override;
  void Finish(std::vector<FinishRequest> requests, Callback<std::vector<absl::Status>> done) override;
  void Keep(std::vector<KeepRequest> requests, Callback<std::vector<absl::Status>> done) override;
  void Append(std::vector<Report> reports) override;
  void Cancel(std::vector<ChangeRequest> requests,
              Callback<std::vector<absl::StatusOr<v1::Task>>> done) override;
  void CancelTree(ChangeRequest request, Callback<absl::StatusOr<CancelledTree>> done) override;
  void Retry(std::vector<ChangeRequest> requests,
             Callback<std::vector<absl::StatusOr<v1::Task>>> done) override;
  void Delete(std::vector<ChangeRequest> requests, Callback<std::vector<absl::Status>> done) override;
  void Get(std::vector<GetRequest> requests, Callback<std::vector<absl::StatusOr<v1::Task>>> done) override;
  void List(ListRequest request, Callback<absl::StatusOr<ListPage>> done) override;
  WaitId Watch(WatchRequest request, Callback<absl::StatusOr<EventBatch>> done) override;
  WaitId WatchQueue(WatchQueueRequest request, Callback<absl::StatusOr<QueueEventBatch>> done) override;
  void GetQueue(std::string name, Callback<absl::StatusOr<v1::Queue>> done) override;
  void ListQueues(NamePage request, Callback<absl::StatusOr<QueuePage>> done) override;
  void UpdateQueue(v1::Queue settings, google::protobuf::FieldMask mask,
                   Callback<absl::StatusOr<v1::Queue>> done) override;
  void SetQueueState(std::string name, v1::QueueState state,
                     Callback<absl::StatusOr<v1::Queue>> done) override;
  void PurgeQueue(std::string name, Callback<absl::StatusOr<int64_t>> done) override;
  void DeleteQueue(DeleteQueueRequest request, Callback<absl::StatusOr<int64_t>> done) override;
  void GetQueueStats(std::string name, Callback<absl::StatusOr<v1::QueueStats>> done) override;
  void PutScript(PutScriptRequest request, Callback<absl::StatusOr<v1::Script>> done) override;
  void GetScript(GetScriptRequest request, Callback<absl::StatusOr<v1::Script>> done) override;
  void ListScripts(NamePage request, Callback<absl::StatusOr<ScriptPage>> done) override;
  void DeleteScript(std::string name, Callback<absl::Status> done) override;
  int64_t MemoryBytes() override;
  void StopWaiting(WaitId id) override;
  void Close() override;

  // Does what has become due: scheduled tasks, expirations, leases, rates, retention.
  void RunAlarms();

 private:
  struct ClaimWaiter {
    WaitId id;
    ClaimRequest request;
    Callback<std::vector<ClaimedTask>> done;
  };
  struct Claimed;
  struct Watcher {
    Record* record;
    WatchRequest request;
    Callback<absl::StatusOr<EventBatch>> done;
  };
  struct QueueWatcher {
    Queue* queue;
    WatchQueueRequest request;
    Callback<absl::StatusOr<QueueEventBatch>> done;
  };
  // A PurgeQueue or DeleteQueue under way.
  struct Purge {
    std::string queue;
    bool all;              // Also what runs or has ended.
    uint64_t after_order;  // Where it stands.
    uint64_t last_order;   // Tasks that came later stay.
    int64_t purged;
    Callback<absl::StatusOr<int64_t>> done;
  };
  // A CancelTree under way.
  struct CancelSweep {
    std::string name;
    uint64_t order;        // The task's.
    uint64_t after_order;  // Where it stands in the family.
    int64_t descendants;
    Callback<absl::StatusOr<CancelledTree>> done;  // Null: nobody waits for it any more.
  };
  // Callbacks to call once the mutex is released, with the reason why what they tell is not safe, or OK.
  using Call = absl::AnyInvocable<void(const absl::Status&)>;
  // A body that the calls need, or a past that is stored.
  struct WantedBody {
    JournalPlace place;
    std::string* into;
  };
  // What is stored of tasks, by where.
  using Pasts = absl::flat_hash_map<JournalPlace, absl::StatusOr<EndedPast>>;
  struct Deferred {
    absl::InlinedVector<Call, 2> calls;
    absl::InlinedVector<Call, 2> at_once;  // Before the others, and not to wait for what is changed now.
    std::vector<WantedBody> wanted;

    void push_back(Call call) { calls.push_back(std::move(call)); }
    void Run();
  };
  // What a request id stands for.
  struct Request {
    clock::Instant time;
    std::string key;      // `queue` or `script`, line feed, request id.
    std::string outcome;  // The task's name, or the script's version.
    JournalPlace place;
  };
  using Snapshots = std::vector<absl::StatusOr<Snapshot>>;

  // Where a submission goes.
  struct Place {
    Queue* queue = nullptr;
    ScriptVersion* script = nullptr;  // Null unless the task names one.
    Record* submitter = nullptr;      // Null unless a script makes the task.
  };

  // Submissions.
  // `answer` gets what is to be done before the caller is answered.
  absl::Status SubmitOne(const Submission& submission, const clock::Moment& now, Deferred& answer,
                         Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<absl::Status> SubmitAllOrNone(const std::vector<Submission>& submissions,
                                            const clock::Moment& now, Deferred& answer, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The task of an earlier request with the same id, an error if it is gone, nothing if there was none.
  std::optional<absl::StatusOr<const Record*>> FindRepeated(const Submission& submission)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Fills in the task's defaults and the script's version. Its queue may have come into being for it: the
  // caller disposes of it where nothing is added.
  absl::StatusOr<Place> Complete(const Submission& submission) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether the queue, and the memory, have room for so many more.
  absl::Status CheckRoom(const Queue& queue, int64_t tasks, int64_t bytes) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether anybody claims tasks of that kind.
  absl::Status CheckHandler(task::HandlerKind kind) const;
  // Whether what its attempts may put out fits the memory.
  absl::Status CheckOutput(const v1::Task& task) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether clients may change anything: the store is open, and its disk not full.
  absl::Status CheckChanges() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether what attempts say is kept: a full disk takes only so much.
  bool MayReport() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether the disk has room for anything new.
  absl::Status CheckSpace() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Queues a task that is complete, not there yet, and has room.
  void Add(const Submission& submission, Place place, const clock::Moment& now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  static int64_t RequestMemory(const Request& request);
  // Forgets the oldest.
  void ForgetRequestId() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RememberRequest(std::string key, std::string outcome, clock::Instant now, JournalPlace place)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // What the request registers, or has registered earlier.
  absl::StatusOr<ScriptVersion> PutOneScript(PutScriptRequest& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Calls about one task.
  absl::StatusOr<Record*> FindForChange(const ChangeRequest& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<Record*> CancelOne(const ChangeRequest& request, const clock::Moment& now,
                                    Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Of a task that has not ended.
  void CancelRecord(Record* record, const clock::Moment& now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::StatusOr<Record*> RetryOne(const ChangeRequest& request, Pasts& pasts, const clock::Moment& now,
                                   Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // With what is stored of the tasks.
  void RetryWith(Pasts pasts, std::vector<ChangeRequest> requests,
                 Callback<std::vector<absl::StatusOr<v1::Task>>> done);
  // Tells whoever runs the task to stop.
  static void StopAttempt(const Record& record, Deferred& deferred);
  absl::Status DeleteOne(const ChangeRequest& request, Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status FinishOne(FinishRequest& request, const clock::Moment& now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Adds the task, or the error, to `tasks`, which do not move from now on until they are complete.
  static void Describe(const absl::StatusOr<Record*>& found, v1::TaskView view, Snapshots& tasks,
                       Deferred& deferred);
  // Tasks that scripts make (memory_store_lineage.cc).
  // The task whose attempt submits, which the new one then says, or why it may not.
  absl::StatusOr<Record*> FindSubmitter(const Submission& submission) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Goes on with a sweep; false when it is done, and its callback deferred.
  bool SweepSome(CancelSweep& sweep, const clock::Moment& now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Has `done` called with the tasks.
  static Call AnswerTasks(std::shared_ptr<Snapshots> tasks,
                          Callback<std::vector<absl::StatusOr<v1::Task>>> done);
  // What was asked for, read at once: for what is seldom.
  absl::StatusOr<v1::Task> ReadTask(const Record& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Has the calls made once the bodies that they need have been read.
  void ReadFirst(Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Tells the budget of a record that is new, that may have changed, whose body is not in memory any more, or
  // that goes.
  void CountNew(Record& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Recount(Record& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CountBodyGone(Record& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CountGone(Record& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Count(Queue& queue, Kept kept, int64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // With a journal a body need not be in memory.
  void DropBody(Record* record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What an ended task has gone through need not be, either (memory_store_past.cc): whether it is much, and
  // what becomes of it then.
  bool StoresPast(const Record& record) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void StorePast(Record* record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Has `done` called with events that are stored, which `deferred` is to read first.
  static Call TellStored(const Record& record, WatchRequest request,
                         Callback<absl::StatusOr<EventBatch>> done, Deferred& deferred);

  Record* Find(absl::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Null, too, when the lease is not the task's.
  Record* FindLeased(const Lease& lease) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // The moves of a task. All of them tell the watchers.
  // For a time of day: its first attempt.
  void ScheduleAt(Record* record, absl::Time due, const clock::Moment& now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // For its next attempt.
  void ScheduleAfter(Record* record, absl::Duration backoff, const clock::Moment& now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // `due`: as far as the wall clock can tell.
  void Schedule(Record* record, absl::Time due, const clock::Moment& now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // `again`: the task keeps its place before those that came later.
  void Enqueue(Record* record, bool again, const clock::Moment& now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  ClaimedTask Start(Record* record, const ClaimRequest& request, const clock::Moment& now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void End(Record* record, v1::TaskState state, const clock::Moment& now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Expire(Record* record, const clock::Moment& now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ExpireLease(Record* record, const clock::Moment& now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Its lease is over, however it ended.
  void DropLease(Record* record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The task no longer exists.
  void Forget(Record* record, Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Ordering keys: a task joins the line of its key when it is created or retried, and leaves it when it has
  // ended; then the next one may start.
  void JoinKeyLine(Record* record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LeaveKeyLine(Record* record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Queues.
  Queue* FindQueue(absl::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // `holder`: what will hold the name.
  absl::StatusOr<Queue*> FindOrCreateQueue(absl::string_view name, NameHolder holder)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Counts a queue whose holder may have changed.
  void CountName(Queue& queue) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Where the names for queues with tasks are taken: looks for one whose tasks have all ended.
  void FreeName(Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether all of its tasks that wait are such that nobody claims them.
  bool WaitsForNobody(const Queue& queue) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void DisposeOf(Queue* queue) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetQueueAlarm(Queue* queue, clock::Instant alarm) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ForgetOldTasksOf(Queue* queue, const clock::Moment& now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void StartPurge(Queue& queue, bool all, Callback<absl::StatusOr<int64_t>> done, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status CheckDelete(const DeleteQueueRequest& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Of a queue whose tasks are forgotten.
  void FinishDeleting(Queue* queue, Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Goes on with a purge; false when it is done, and its callback deferred.
  bool PurgeSome(Purge& purge, Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Until the task's next move; replaces what was set.
  void SetAlarm(Record* record, clock::Instant alarm, absl::Time date = absl::InfiniteFuture())
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ClearAlarm(Record* record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AlarmChanged(clock::Instant alarm) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Hands waiting tasks that are safe to waiting claims.
  void MatchClaims(const clock::Moment& now, Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Starts what there is for one claim; null if there is nothing.
  std::shared_ptr<Claimed> Match(const ClaimRequest& request, const clock::Moment& now, JournalPlace synced,
                                 Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The same once those are safe that are not yet.
  void MatchClaimsOnceSafe() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Of a queue whose tasks could start: what those who would run them say that it waits for.
  v1::HeldBy HeldByExecutors(const Queue& queue) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NotifyWatchers(Record* record, Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Ends a call in which tasks may have ended. They may be gone afterwards.
  void ForgetOldTasks(const clock::Moment& now, Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ForgetOldRequestIds(clock::Instant now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Ends a call, with or without changes: takes over the callbacks that have to wait until all is safe.
  void Commit(Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    Commit(deferred, v1::DURABILITY_FSYNC);
  }
  void Commit(Deferred& deferred, v1::Durability durability) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Refuses everything from now on, and ends what waits. False if that was done before.
  bool CloseWith(const absl::Status& refusal);
  // The same because the journal has failed.
  void Fail(const absl::Status& why);

  // A change to be filled in; the one before is gone.
  Change& NewChange() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Tells the journal; where that stands. What was told is in `change_bytes_`.
  JournalPlace Say(const Change& change, absl::string_view attachment = {})
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Tell the journal, if there is one (memory_store_journal.cc).
  void LogAdded(Record& record, const std::string& request_id, absl::Time due)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Not of the move that adds it. `due`: of a task that is SCHEDULED.
  void LogMoved(Record& record, absl::Time now, absl::Time due = absl::UnixEpoch())
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LogReport(const Record& record, const v1::TaskEvent& event, bool replaces, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LogResult(Record& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LogCancelRequested(const Record& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LogForgotten(const Record& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LogDescendantsCancelled(uint64_t order, bool over) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Those of which nothing lives any more.
  void LogUncancelled() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LogQueuePurged(const std::string& name, uint64_t lease) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LogQueueDeleted(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LogQueue(const Queue& queue) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Where that stands.
  JournalPlace LogScriptPut(ScriptVersion& version, const std::string& request_id)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LogScriptDeleted(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // All of a task, with its body, and its past if that is stored.
  void LogAgain(Record& record, absl::string_view body, absl::string_view past)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What is stored of it; keeps where.
  void LogPast(Record& record, absl::string_view past) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The journal needs so much more of a task, or less.
  void CountLogged(Record& record, int64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // It has so much where it says all of it.
  void CountAdded(Record& record, uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LogRequest(Request& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LogPartDropped(uint64_t part) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Before the first event of a queue is given a position.
  void LogPositions() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What that says.
  Change& DescribePartDropped(uint64_t part) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Compaction (memory_store_compaction.cc): says again what still counts of the journal's oldest part, and
  // drops that.
  class Compaction;
  bool NeedsCompaction() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // False if there was nothing to do.
  bool CompactOnce();
  void RunCompactionThread();

  void StartThreads();
  clock::Moment Now() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  clock::Instant NextAlarm(const clock::Moment& now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RunAlarmThread();

  class Replay;
  friend class Rehearsal;

  MemoryStore(StoreOptions options, std::unique_ptr<Journal> journal);

  const StoreOptions options_;

  absl::Mutex mu_;
  // Null where nothing is kept.
  std::unique_ptr<Journal> journal_ ABSL_PT_GUARDED_BY(mu_);
  bool matches_once_safe_ ABSL_GUARDED_BY(mu_) = false;  // MatchClaimsOnceSafe is under way.
  bool changes_ ABSL_GUARDED_BY(mu_) = false;            // The call that is made tells the journal something.
  // Not OK once the store is closed or its journal has failed: what calls are answered.
  absl::Status refusal_ ABSL_GUARDED_BY(mu_);
  uint64_t next_order_ ABSL_GUARDED_BY(mu_) = 1;
  uint64_t next_position_ ABSL_GUARDED_BY(mu_) = 1;  // Of Record::position and Record::key_position.
  uint64_t next_lease_token_ ABSL_GUARDED_BY(mu_) = 1;
  uint64_t next_queue_revision_ ABSL_GUARDED_BY(mu_) = 1;
  // Positions in the queues' logs: the first of this life of the server, so that those of another are not
  // taken for some of this one, and one later than that of any log that is gone. Without a journal that knows
  // how far they came they begin at a random place, small enough for a double.
  int64_t first_log_position_ ABSL_GUARDED_BY(mu_);
  int64_t next_log_position_ ABSL_GUARDED_BY(mu_);
  uint64_t dropped_part_ ABSL_GUARDED_BY(mu_) = 0;      // The last one of the journal's that may be missing.
  bool positions_logged_ ABSL_GUARDED_BY(mu_) = false;  // The journal knows where this server's began.
  WaitId next_wait_id_ ABSL_GUARDED_BY(mu_) = 1;

  MemoryBudget budget_ ABSL_GUARDED_BY(mu_);  // Before whoever counts to the end.
  absl::btree_map<std::string, std::unique_ptr<Queue>> queues_ ABSL_GUARDED_BY(mu_);
  RecordTable records_ ABSL_GUARDED_BY(mu_);
  absl::btree_map<uint64_t, Record*> ended_ ABSL_GUARDED_BY(mu_);  // By Record::position.
  // Queues with a retention of their own in which tasks have ended since ForgetOldTasks.
  std::vector<Queue*> ended_in_ ABSL_GUARDED_BY(mu_);
  Turns turns_ ABSL_GUARDED_BY(mu_);
  Alarms alarms_ ABSL_GUARDED_BY(mu_);
  WallSteps wall_steps_ ABSL_GUARDED_BY(mu_);
  ScriptRegistry scripts_ ABSL_GUARDED_BY(mu_);
  std::deque<Request> requests_ ABSL_GUARDED_BY(mu_);  // The oldest first.
  absl::flat_hash_map<absl::string_view, Request*> request_ids_ ABSL_GUARDED_BY(mu_);
  std::array<std::deque<ClaimWaiter>, task::kHandlerKinds> claims_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<WaitId, Watcher> watchers_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<WaitId, QueueWatcher> queue_watchers_ ABSL_GUARDED_BY(mu_);

  std::array<int64_t, kNameHolders> names_ ABSL_GUARDED_BY(mu_){};  // Of queues, by what holds them.
  std::string last_looked_at_ ABSL_GUARDED_BY(mu_);                 // By FreeName: a queue's name.
  std::deque<Purge> purges_ ABSL_GUARDED_BY(mu_);
  std::deque<CancelSweep> sweeps_ ABSL_GUARDED_BY(mu_);
  Lineages lineages_ ABSL_GUARDED_BY(mu_);
  PurgeMarks purge_marks_ ABSL_GUARDED_BY(mu_);

  int64_t body_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // Of bodies in memory, where there is a journal.
  int64_t kept_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // What the journal has of the tasks there are.

  // Made once, not for each change.
  std::array<char, 4096> change_room_ ABSL_GUARDED_BY(mu_);
  google::protobuf::Arena change_arena_ ABSL_GUARDED_BY(mu_){change_room_.data(), change_room_.size()};
  std::string change_bytes_ ABSL_GUARDED_BY(mu_);

  clock::ConditionVariable compaction_changed_;
  std::thread compaction_thread_;
  clock::ConditionVariable alarm_changed_;
  // Until then the alarm thread waits; in the past: it does not wait.
  clock::Instant alarm_thread_wakes_ ABSL_GUARDED_BY(mu_) = clock::Instant::InfinitePast();
  std::thread alarm_thread_;
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_MEMORY_STORE_H_
