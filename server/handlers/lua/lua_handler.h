#ifndef ERRAND_SERVER_HANDLERS_LUA_LUA_HANDLER_H_
#define ERRAND_SERVER_HANDLERS_LUA_LUA_HANDLER_H_

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/handlers/handler.h"
#include "server/handlers/lua/lua_attempt.h"
#include "server/handlers/lua/sandbox_process.h"
#include "server/io/loop.h"
#include "server/io/timer.h"

namespace errand::handlers {

struct LuaHandlerOptions {
  std::string sandbox_path;  // The errand-sandbox program.
  int workers = 2;           // Attempts at a time.
  int spares = 1;            // Processes beyond that, which take the place of those that die.
};

// Runs Lua tasks in errand-sandbox processes, an attempt at a time in each.
//
// A worker's life:
//
//   start --Ready--> IDLE --Start()--> BUSY --Done--> IDLE
//     |                                  |
//     `- died, or too slow: backoff      `- killed (time, Stop, protocol), died, or Done of a process that
//                                           ends: ENDING, and another is started in its place
//
// Start() writes to an idle worker from the caller's thread; everything else happens on the loop's.
class LuaHandler final : public Handler {
 public:
  // Starts the processes and waits until the first is ready. `loop` is borrowed, must be running and outlive
  // the handler. FAILED_PRECONDITION when the program is missing or cannot lock itself down. Not from the
  // loop's thread; nor may the handler be destroyed there.
  static absl::StatusOr<std::unique_ptr<LuaHandler>> Create(LuaHandlerOptions options, io::Loop* loop);
  ~LuaHandler() override;

  int slots() const override { return options_.workers; }
  void Start(Attempt attempt, std::unique_ptr<AttemptObserver> observer) override;
  void Stop(AttemptId id) override;

 private:
  enum class State { kStarting, kIdle, kBusy, kEnding };

  struct Worker;

  LuaHandler(LuaHandlerOptions options, io::Loop* loop);

  // Any thread.
  bool Assign(Worker& worker, std::unique_ptr<LuaAttempt>& attempt, const std::string& frame)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool AssignToIdle(std::unique_ptr<LuaAttempt>& attempt, const std::string& frame)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Kill(Worker& worker, KillReason reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void WatchDeadline(absl::Duration deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // The loop's thread.
  void StartMissing();
  absl::Status StartWorker();
  void OnWorkerFailed(const absl::Status& why);
  void OnFrame(Worker& worker, const sandbox::Frame& frame);
  void OnStarting(Worker& worker, const sandbox::Frame& frame);
  void OnWorkerReady(Worker& worker);
  void OnDone(Worker& worker, const sandbox::Done& done);
  void OnDeath(Worker& worker, const SandboxProcess::Death& death);
  void BecomeIdle(Worker& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndOverdue();
  void ShutDown();

  const LuaHandlerOptions options_;
  io::Loop* const loop_;

  absl::Mutex mu_;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::unique_ptr<Worker>> workers_ ABSL_GUARDED_BY(mu_);
  std::vector<Worker*> idle_ ABSL_GUARDED_BY(mu_);
  std::deque<std::unique_ptr<LuaAttempt>> waiting_ ABSL_GUARDED_BY(mu_);  // For a worker to become ready.
  // Why workers do not start; not OK when they keep failing to, until one does.
  absl::Status start_failure_ ABSL_GUARDED_BY(mu_);
  bool any_ready_ ABSL_GUARDED_BY(mu_) = false;
  // When EndOverdue comes next, at the latest.
  absl::Duration watched_until_ ABSL_GUARDED_BY(mu_) = absl::InfiniteDuration();

  // Owned by the loop's thread.
  int failures_ = 0;  // To start a worker, in a row.
  std::unique_ptr<io::Timer> backoff_;
  std::unique_ptr<io::Timer> deadline_;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_LUA_LUA_HANDLER_H_
