#ifndef ERRAND_SERVER_HANDLERS_LUA_LUA_HANDLER_H_
#define ERRAND_SERVER_HANDLERS_LUA_LUA_HANDLER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/handlers/handler.h"
#include "server/handlers/lua/lua_attempt.h"
#include "server/handlers/lua/parked_attempts.h"
#include "server/handlers/lua/script_cache.h"
#include "server/handlers/lua/shared_values.h"
#include "server/handlers/lua/shares.h"
#include "server/handlers/lua/zygote.h"
#include "server/io/loop.h"
#include "server/io/timer.h"

namespace errand::handlers {

// The attempt whose script creates a task.
struct Submitter {
  std::string task;  // Its name.
  uint64_t lease_token = 0;
};

// Creates a task for a script: `request` is a CreateTaskRequest in proto3 JSON; without a `parent` the task
// goes to the submitter's queue. Calls `done` once, with the task's name or what the script should be
// told, from any thread, perhaps before it returns. Must not block.
using SubmitTask = std::function<void(Submitter submitter, std::string request,
                                      absl::AnyInvocable<void(absl::StatusOr<std::string>)> done)>;

struct LuaHandlerOptions {
  int workers = 2;  // Processes that run scripts at a time.
  int spares = 1;   // Processes beyond that, which take the place of those that die or do not give way.
  // What all processes may take together. At least kMinProcessBytes.
  size_t process_bytes = size_t{2} << 30;
  // What attempts may take in this process: their tasks, and scripts that are parked.
  size_t kept_bytes = size_t{256} << 20;
  // What values of `shared` may take.
  size_t shared_bytes = size_t{64} << 20;
  // For task.submit and email.send. Unset: scripts are told that they are not available.
  SubmitTask submit = nullptr;
};

// Runs Lua tasks in processes of errand-sandbox, in each one at a time.
//
// An attempt's way:
//
//   Start() -> READY --fed to an idle worker--> in its BATCH --Done--> over
//                ^                                |  |  |
//                |<----- given back, not begun ---'  |  '--Parked--> PARKED (sleeps, or waits for an answer)
//                |<----- gave way to others ---------'                  |
//                `<------------- woken, or answered --------------------'
//
// A worker is fed as many attempts as will take it no longer than a slice of time, when they are short; it
// says what becomes of each, in order. Whose turn it is Shares decides: queues have the same time, by weight,
// whatever their number of tasks.
//
// When an attempt waits and all workers are busy, the one that has had a slice has to give way: it is parked,
// and goes to the end of those of its queue that had a turn. One that is too large to be parked waits in its
// process, and a process whose script cannot wait is frozen (SIGSTOP); both are HELD, go on in their turn,
// and another process is started meanwhile. So at most `workers` processes run.
//
// No queue takes the room of others (MayTakeMore): its attempts in hand, the processes that are held, what
// those take, and what is parked are bounded for each queue, and together. A queue that is at such a bound
// gets no more attempts, and those it has wait for a turn until it has less; held ones have their turns.
//
// A worker's life:
//
//   forking --Ready--> IDLE --fed--> BUSY --its batch is done--> IDLE
//      |                              |  ^
//      |                              |  `--> held (not one of those that run)
//      `- failed: backoff             `- killed (grace over, protocol), died: ENDING; another is started
//
// Attempts are fed from the caller's thread if a worker is idle; everything else happens on the loop's.
class LuaHandler final : public Handler {
 public:
  // When others of its queue wait, a script gives way after so long,
  static constexpr absl::Duration kSlice = absl::Milliseconds(10);
  // and when others of a queue wait that has had less, after so long.
  static constexpr absl::Duration kShortSlice = absl::Milliseconds(2);
  // One that runs, was told to stop and has not done so is ended with its process.
  static constexpr absl::Duration kGrace = absl::Milliseconds(25);
  // With less no script could run.
  static constexpr size_t kMinProcessBytes = size_t{64} << 20;

  // Starts the processes and waits until the first is ready. `zygote` is borrowed and must outlive the
  // handler. FAILED_PRECONDITION when processes cannot be forked or locked down. Not from the loop's thread;
  // nor may the handler be destroyed there.
  static absl::StatusOr<std::unique_ptr<LuaHandler>> Create(LuaHandlerOptions options, Zygote* zygote);
  ~LuaHandler() override;

  task::Room GetRoom() override;
  void WatchRoom(std::function<void()> more_room) override { more_room_ = std::move(more_room); }
  void Start(Attempt attempt, std::unique_ptr<AttemptObserver> observer) override;
  // Workers get as large a batch each as there are attempts for: one write and one answer a batch.
  void StartAll(std::vector<NewAttempt> attempts) override;
  void Stop(AttemptId id) override;

  struct Statistics {
    size_t parked = 0;      // Attempts whose scripts sleep or wait for an answer now,
    size_t kept_bytes = 0;  // and what all attempts take in this process.
    size_t held = 0;        // Processes that hold an attempt which does not run,
    size_t held_bytes = 0;  // and what they take.
    int64_t resumed = 0;    // How often a parked one went on, so far,
    int64_t moved = 0;      // and how often in another process than the one that had parked it.
  };
  // Any thread.
  Statistics GetStatistics();

 private:
  friend struct LuaWorker;

  // Attempts in hand for each worker: so many share it in turns, and more if all of them fit into one slice.
  static constexpr int kSharing = 4;
  static constexpr int kMaxBatch = 64;
  // Processes that may be held, in all.
  static constexpr int kMaxHeld = 64;

  // A place where an attempt waits that may have a turn; without a share there is none.
  struct Turn {
    Share* share = nullptr;
    Shares::Line line = Shares::Line::kFresh;
  };

  LuaHandler(LuaHandlerOptions options, Zygote* zygote);

  // Any thread.
  void Enqueue(std::unique_ptr<LuaAttempt> attempt, absl::Duration since) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int Running() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Processes that run attempts or could.
  int Available() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether attempts of it may be put into processes that hold none of it.
  bool MayBegin(const Share& share) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Turn NextTurn(absl::Duration now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static const Ready& FrontOf(const Turn& turn);
  // What a process may take for it beyond what each takes.
  static size_t BytesFor(const LuaAttempt& attempt);
  bool HasMemoryFor(const LuaAttempt& attempt, const LuaWorker* worker) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Dispatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Feed(LuaWorker& worker, absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AddToBatch(LuaWorker& worker, LuaAttempt& attempt, absl::Duration epoch, std::string& batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Reserve(LuaWorker& worker, const LuaAttempt& attempt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndBatch(LuaWorker& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Charge(LuaWorker& worker, LuaAttempt& attempt, absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Hold(LuaWorker& worker, bool frozen) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void GoOn(const Turn& turn, absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // It is not held any more.
  void LetGo(LuaWorker& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void FinishLater(std::unique_ptr<LuaAttempt> attempt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetKept(LuaAttempt& attempt, size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Park(std::unique_ptr<LuaAttempt> attempt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // For one that was taken out of parked_; null stays null.
  static std::unique_ptr<LuaAttempt> LeaveParked(std::unique_ptr<LuaAttempt> taken);
  std::unique_ptr<LuaAttempt> TakeInHand(LuaAttempt* attempt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // It is over: wherever it is, it is taken out there.
  std::unique_ptr<LuaAttempt> TakeOut(LuaAttempt* attempt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void StopInWorker(LuaWorker& worker, LuaAttempt& attempt, KillReason reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetGrace(LuaWorker& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Kill(LuaWorker& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Lets OnClock come at `time` at the latest.
  void WatchUntil(absl::Duration time) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static absl::Duration SliceOf(const LuaWorker& worker, const Share& next);

  // The loop's thread.
  void StartMissing();
  void OnForked(LuaWorker* worker, absl::StatusOr<std::shared_ptr<SandboxProcess>> forked);
  void OnWorkerFailed(const absl::Status& why);
  std::unique_ptr<LuaWorker> Remove(LuaWorker& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OnFrame(LuaWorker& worker, const sandbox::Frame& frame);
  void OnWorkerReady(LuaWorker& worker, const sandbox::Frame& frame);
  void OnDone(LuaWorker& worker, LuaAttempt& attempt, const sandbox::Done& done);
  void OnParked(LuaWorker& worker, LuaAttempt& attempt, const sandbox::Parked& parked);
  void OnReturned(LuaWorker& worker, LuaAttempt& attempt);
  void OnWaits(LuaWorker& worker, LuaAttempt& attempt, const sandbox::Waits& waits);
  bool OnCall(LuaWorker& worker, LuaAttempt& attempt, const sandbox::Call& call);
  absl::StatusOr<std::string> CallShared(const LuaAttempt& attempt, const sandbox::Call& call);
  void Submit(LuaAttempt& attempt, std::string request);
  void OnAnswer(AttemptId id, absl::StatusOr<std::string> answer);
  static void SendAnswer(LuaWorker& worker, AttemptId id, const absl::StatusOr<std::string>& answer);
  void OnBroken(LuaWorker& worker);
  void OnDeath(LuaWorker& worker, const SandboxProcess::Death& death);
  void TurnEnded(LuaWorker& worker, LuaAttempt& attempt, bool begun) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void BecomeIdle(LuaWorker& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Resume(std::unique_ptr<LuaAttempt> attempt, absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OnClock();
  // True if another process has to take its place.
  bool CheckTurn(LuaWorker& worker, const Share& next, absl::Duration now, absl::Duration& look_again)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ShutDown();

  const LuaHandlerOptions options_;
  const size_t script_bytes_;       // What processes may take together beyond what each takes anyway.
  const int64_t max_memory_bytes_;  // What one attempt's limit may come to: half of it is for held processes.
  Zygote* const zygote_;
  io::Loop* const loop_;
  std::function<void()> more_room_ = [] {};  // Constant once attempts are started.

  absl::Mutex mu_;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::unique_ptr<LuaWorker>> workers_ ABSL_GUARDED_BY(mu_);
  std::vector<LuaWorker*> idle_ ABSL_GUARDED_BY(mu_);
  // Attempts that want a turn or are in a worker's batch. One in a batch is taken out by the loop's thread
  // only, which may therefore use it without the mutex.
  absl::flat_hash_map<AttemptId, std::unique_ptr<LuaAttempt>> in_hand_ ABSL_GUARDED_BY(mu_);
  ParkedAttempts parked_ ABSL_GUARDED_BY(mu_);
  Shares shares_ ABSL_GUARDED_BY(mu_);
  ScriptCache scripts_ ABSL_GUARDED_BY(mu_);
  size_t fed_ ABSL_GUARDED_BY(mu_) = 0;         // Attempts in the batches of processes that do not hold them.
  size_t kept_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // As of Share, of all.
  int held_ ABSL_GUARDED_BY(mu_) = 0;           // The same.
  size_t held_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // The same.
  size_t reserved_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // As of LuaWorker, of all.
  int64_t resumed_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t moved_ ABSL_GUARDED_BY(mu_) = 0;
  absl::InsecureBitGen seeds_ ABSL_GUARDED_BY(mu_);
  // Why workers do not start; not OK when they keep failing to, until one does.
  absl::Status start_failure_ ABSL_GUARDED_BY(mu_);
  bool any_ready_ ABSL_GUARDED_BY(mu_) = false;
  // How long a turn takes on the average, lately.
  absl::Duration turn_ ABSL_GUARDED_BY(mu_) = kSlice;
  absl::Duration watched_until_ ABSL_GUARDED_BY(mu_) = absl::InfiniteDuration();

  // Owned by the loop's thread.
  int failures_ = 0;  // To start a worker, in a row.
  SharedValues shared_{options_.shared_bytes};
  std::shared_ptr<LuaHandler*> self_ = std::make_shared<LuaHandler*>(this);  // Null once it is shut down.
  std::unique_ptr<io::Timer> backoff_;
  std::unique_ptr<io::Timer> clock_;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_LUA_LUA_HANDLER_H_
