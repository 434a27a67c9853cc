#ifndef ERRAND_SERVER_HANDLERS_LUA_LUA_ATTEMPT_H_
#define ERRAND_SERVER_HANDLERS_LUA_LUA_ATTEMPT_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/handlers/handler.h"
#include "server/handlers/lua/sandbox_process.h"
#include "server/sandbox/wire.h"

namespace errand::handlers {

// Why an attempt's process was killed.
enum class KillReason { kNone, kStopped, kTimeout, kBroken };

// One attempt at a Lua task: what is told to the sandbox, and what its answers mean to the observer. One
// thread at a time.
class LuaAttempt {
 public:
  LuaAttempt(Attempt attempt, std::unique_ptr<AttemptObserver> observer);

  AttemptId id() const { return attempt_.id; }

  // By the monotonic clock, as MonotonicNow gives it.
  absl::Duration deadline() const { return started_ + run_timeout_; }
  static absl::Duration MonotonicNow();

  // What the sandbox is to run.
  std::string RunFrame() const;

  // What the sandbox's process had used before this attempt.
  void set_cpu_time_before(absl::Duration cpu_time) { cpu_time_before_ = cpu_time; }

  // Passes Output, Log or Progress on. False when it is another frame, or the sandbox says more than it
  // should have let through.
  bool OnEvent(const sandbox::Frame& frame);

  // Each calls OnDone; one of them, once.
  void FinishDone(const sandbox::Done& done);
  void FinishDead(KillReason reason, const SandboxProcess::Death& death);
  void FinishUnstarted(KillReason reason);          // Its process did not come in time.
  void FinishUnstartable(const absl::Status& why);  // There is no process to be had.

 private:
  bool Charge(size_t bytes);
  absl::Status KillStatus(KillReason reason, const std::string& death) const;
  void Finish(Outcome outcome);

  const Attempt attempt_;
  const std::unique_ptr<AttemptObserver> observer_;
  const absl::Duration started_;
  const absl::Duration run_timeout_;
  absl::Duration cpu_time_before_;
  int64_t output_bytes_ = 0;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_LUA_LUA_ATTEMPT_H_
