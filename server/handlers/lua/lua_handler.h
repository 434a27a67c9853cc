#ifndef ERRAND_SERVER_HANDLERS_LUA_LUA_HANDLER_H_
#define ERRAND_SERVER_HANDLERS_LUA_LUA_HANDLER_H_

#include <atomic>
#include <cstddef>
#include <deque>
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
#include "server/handlers/lua/zygote.h"
#include "server/io/loop.h"
#include "server/io/timer.h"

namespace errand::handlers {

// Creates a task for a script: `request` is a CreateTaskRequest in proto3 JSON; without a `parent` the task
// goes to `queue` (`queues/{queue}`). Calls `done` once, with the task's name or what the script should be
// told, from any thread, perhaps before it returns. Must not block.
using SubmitTask = std::function<void(std::string queue, std::string request,
                                      absl::AnyInvocable<void(absl::StatusOr<std::string>)> done)>;

struct LuaHandlerOptions {
  int workers = 2;  // Processes that run scripts at a time.
  int spares = 1;   // Processes beyond that, which take the place of those that die or do not give way.
  // What parked scripts may take before they keep their slots.
  size_t max_parked_bytes = size_t{256} << 20;
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
// says what becomes of each, in order. When attempts wait and a worker has been busy with one for a slice,
// that one has to give way and goes to the end of those that had a turn. A worker that does not comply,
// because its script is in C code that cannot be left, or is too large to be parked, is left alone, and
// another process is started in its place.
//
// A worker's life:
//
//   forking --Ready--> IDLE --fed--> BUSY --its batch is done--> IDLE
//      |                              |
//      `- failed: backoff             `- killed (grace over, protocol), died: ENDING; another is started
//
// Attempts are fed from the caller's thread if a worker is idle; everything else happens on the loop's.
class LuaHandler final : public Handler {
 public:
  // When others wait, a script gives way after so long.
  static constexpr absl::Duration kSlice = absl::Milliseconds(10);
  // One that runs, was told to stop and has not done so is ended with its process.
  static constexpr absl::Duration kGrace = absl::Milliseconds(25);

  // Starts the processes and waits until the first is ready. `zygote` is borrowed and must outlive the
  // handler. FAILED_PRECONDITION when processes cannot be forked or locked down. Not from the loop's thread;
  // nor may the handler be destroyed there.
  static absl::StatusOr<std::unique_ptr<LuaHandler>> Create(LuaHandlerOptions options, Zygote* zygote);
  ~LuaHandler() override;

  int slots() const override { return slots_.load(std::memory_order_relaxed); }
  void Start(Attempt attempt, std::unique_ptr<AttemptObserver> observer) override;
  // Workers get as large a batch each as there are attempts for: one write and one answer a batch.
  void StartAll(std::vector<NewAttempt> attempts) override;
  void Stop(AttemptId id) override;

  struct Statistics {
    size_t parked = 0;        // Attempts whose scripts are parked now,
    size_t parked_bytes = 0;  // and what they take.
    int64_t resumed = 0;      // How often one went on, so far,
    int64_t moved = 0;        // and how often in another process than the one that had parked it.
  };
  // Any thread.
  Statistics GetStatistics();

 private:
  // Attempts in hand for each worker: so many share it in turns, and more if all of them fit into one slice.
  static constexpr int kSharing = 4;

  enum class State { kStarting, kIdle, kBusy, kEnding };

  struct Worker;
  struct Ready {
    LuaAttempt* attempt;
    absl::Duration since;
  };

  LuaHandler(LuaHandlerOptions options, Zygote* zygote);

  // Any thread.
  void Enqueue(std::unique_ptr<LuaAttempt> attempt, absl::Duration since) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasReady() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return !ready_.empty() || !turned_.empty(); }
  bool HasFreeWorker() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Dispatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Feed(Worker& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool TakeReady(absl::Duration now, Ready& taken) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AddToBatch(Worker& worker, LuaAttempt& attempt, absl::Duration epoch, std::string& batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void FinishLater(std::unique_ptr<LuaAttempt> attempt);
  std::unique_ptr<LuaAttempt> TakeInHand(LuaAttempt* attempt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void StopInWorker(Worker& worker, LuaAttempt& attempt, KillReason reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SetGrace(Worker& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Kill(Worker& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Lets OnClock come at `time` at the latest.
  void WatchUntil(absl::Duration time) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // The loop's thread.
  void StartMissing();
  void OnForked(Worker* worker, absl::StatusOr<std::shared_ptr<SandboxProcess>> forked);
  void OnWorkerFailed(const absl::Status& why);
  std::unique_ptr<Worker> Remove(Worker& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OnFrame(Worker& worker, const sandbox::Frame& frame);
  void OnWorkerReady(Worker& worker, const sandbox::Frame& frame);
  void OnDone(Worker& worker, LuaAttempt& attempt, const sandbox::Done& done);
  void OnParked(Worker& worker, LuaAttempt& attempt, const sandbox::Parked& parked);
  void OnReturned(Worker& worker, LuaAttempt& attempt);
  void OnWaits(Worker& worker);
  bool OnCall(Worker& worker, LuaAttempt& attempt, const sandbox::Call& call);
  absl::StatusOr<std::string> CallShared(const LuaAttempt& attempt, const sandbox::Call& call);
  void Submit(LuaAttempt& attempt, std::string request);
  void OnAnswer(AttemptId id, absl::StatusOr<std::string> answer);
  static void SendAnswer(Worker& worker, AttemptId id, const absl::StatusOr<std::string>& answer);
  void OnBroken(Worker& worker);
  void OnDeath(Worker& worker, const SandboxProcess::Death& death);
  void TurnEnded(Worker& worker, LuaAttempt& attempt) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void BecomeIdle(Worker& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Resume(std::unique_ptr<LuaAttempt> attempt, absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OnClock();
  void ShutDown();

  const LuaHandlerOptions options_;
  Zygote* const zygote_;
  io::Loop* const loop_;
  std::atomic<int> slots_;

  absl::Mutex mu_;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::unique_ptr<Worker>> workers_ ABSL_GUARDED_BY(mu_);
  std::vector<Worker*> idle_ ABSL_GUARDED_BY(mu_);
  // Attempts that are ready or in a worker's batch. One in a batch is taken out by the loop's thread only,
  // which may therefore use it without the mutex.
  absl::flat_hash_map<AttemptId, std::unique_ptr<LuaAttempt>> in_hand_ ABSL_GUARDED_BY(mu_);
  std::deque<Ready> ready_ ABSL_GUARDED_BY(mu_);   // Waiting for a worker: new, or woken.
  std::deque<Ready> turned_ ABSL_GUARDED_BY(mu_);  // The same, after they had to give way.
  ParkedAttempts parked_ ABSL_GUARDED_BY(mu_);
  ScriptCache scripts_ ABSL_GUARDED_BY(mu_);
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
  SharedValues shared_;
  std::shared_ptr<LuaHandler*> self_ = std::make_shared<LuaHandler*>(this);  // Null once it is shut down.
  std::unique_ptr<io::Timer> backoff_;
  std::unique_ptr<io::Timer> clock_;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_LUA_LUA_HANDLER_H_
