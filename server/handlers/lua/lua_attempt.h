#ifndef ERRAND_SERVER_HANDLERS_LUA_LUA_ATTEMPT_H_
#define ERRAND_SERVER_HANDLERS_LUA_LUA_ATTEMPT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/handlers/handler.h"
#include "server/handlers/lua/sandbox_process.h"
#include "server/handlers/lua/script_cache.h"
#include "server/handlers/lua/shares.h"
#include "server/sandbox/wire.h"

namespace errand::handlers {

// Why an attempt's process was killed, or the attempt stopped.
enum class KillReason : uint8_t { kNone, kStopped, kTimeout, kBroken, kCrowded };

struct LuaWorker;

// One attempt at a Lua task: what is told to the sandbox, and what its answers mean to the observer. One
// thread at a time.
class LuaAttempt {
 public:
  // Its script may take at most `max_memory_bytes`, whatever the task's limit.
  LuaAttempt(Attempt attempt, std::unique_ptr<AttemptObserver> observer, int64_t max_memory_bytes);

  AttemptId id() const { return id_; }
  AttemptObserver& observer() { return *observer_; }

  // By the monotonic clock, as MonotonicNow gives it.
  absl::Duration started() const { return started_; }
  absl::Duration deadline() const { return deadline_; }
  static absl::Duration MonotonicNow();

  // Its script: a registered one, or else its source.
  const std::shared_ptr<const task::Script>& registered() const { return registered_; }
  const std::string& source() const { return task_->lua().source(); }
  // The same as a sandbox may have it already. To be set before AppendFrame, or never.
  void set_cached(std::shared_ptr<const CachedScript> cached) { cached_ = std::move(cached); }
  const std::shared_ptr<const CachedScript>& cached() const { return cached_; }

  // Appends what makes a sandbox run the attempt, or go on with it. `epoch` is the Unix epoch by the
  // monotonic clock.
  void AppendFrame(uint64_t seed, absl::Duration epoch, std::string& batch) const;

  // What the sandbox's process had used before this attempt's turn.
  void set_cpu_time_before(absl::Duration cpu_time) { cpu_time_before_ = cpu_time; }

  // Waiting for a process does not count.
  void PutOffDeadline(absl::Duration by) { deadline_ += by; }

  // To be run with nothing behind it in its batch, as the process died that had it in one with others.
  bool alone() const { return alone_; }
  void set_alone() { alone_ = true; }

  // What it takes, by its queue: set before all else.
  Share& share() const { return *share_; }
  const std::shared_ptr<Share>& shared_share() const { return share_; }
  void set_share(std::shared_ptr<Share> share) { share_ = std::move(share); }
  int weight() const { return weight_; }

  // The process that keeps it while it waits or gives way; null if none does.
  LuaWorker* held_by() const { return held_by_; }
  void set_held_by(LuaWorker* worker) { held_by_ = worker; }
  // The same as Park, but its process keeps it.
  void Hold(const sandbox::Waits& waits);

  // How long its turn was expected to take.
  absl::Duration expected() const { return expected_; }
  void set_expected(absl::Duration expected) { expected_ = expected; }

  int64_t memory_limit() const { return memory_limit_; }

  // What it takes in the server's memory, as it is counted.
  size_t kept_bytes() const { return kept_bytes_; }
  void set_kept_bytes(size_t bytes) { kept_bytes_ = bytes; }
  // What it really takes.
  size_t bytes() const;

  // `process` has parked it, which is what AppendFrame appends from now on.
  void Park(const sandbox::Parked& parked, const SandboxProcess& process);
  bool is_parked() const { return generation_ != 0; }
  int generation() const { return generation_; }
  pid_t parked_by() const { return parked_by_; }
  sandbox::Why why_parked() const { return why_parked_; }
  // When a script that sleeps wants to be woken, by the monotonic clock.
  absl::Duration wake_time() const { return wake_time_; }
  // Where its task is: `queues/{queue}`.
  const std::string& queue() const { return queue_; }
  const std::string& task_name() const { return task_name_; }
  uint64_t lease_token() const { return lease_token_; }

  // Its script creates a task. False when those were too many.
  bool CountChild() { return ++children_ <= kMaxChildren; }
  static constexpr int kMaxChildren = 1000;

  // A call that is to be made once it is parked: a CreateTaskRequest in JSON.
  void set_request(std::string_view request) { request_ = std::make_unique<std::string>(request); }
  std::unique_ptr<std::string> TakeRequest() { return std::move(request_); }

  // The answer to the call that it is parked for.
  void set_answer(absl::StatusOr<std::string> answer) {
    answer_ = std::make_unique<absl::StatusOr<std::string>>(std::move(answer));
  }
  bool has_answer() const { return answer_ != nullptr; }
  std::unique_ptr<absl::StatusOr<std::string>> TakeAnswer() { return std::move(answer_); }

  // Passes Output, Log or Progress on. False when it is another frame, or the sandbox says more than it
  // should have let through.
  bool OnEvent(const sandbox::Frame& frame);

  // It is to end. Kept is the first reason.
  void set_kill_reason(KillReason reason) {
    if (kill_reason_ == KillReason::kNone) kill_reason_ = reason;
  }
  KillReason kill_reason() const { return kill_reason_; }

  // Each calls OnDone; one of them, once.
  void FinishDone(const sandbox::Done& done);
  void FinishDead(const SandboxProcess::Death& death);
  void FinishElsewhere();                           // While no process ran it, for its kill reason.
  void FinishUnstartable(const absl::Status& why);  // There is no process to be had.
  void FinishLost();                                // Nobody is left who could go on with it.

 private:
  bool Charge(size_t bytes);
  absl::Status CpuExceeded() const;
  absl::Status MemoryExceeded() const;
  absl::Status KillStatus(const std::string& otherwise) const;
  absl::Status EndingStatus(const sandbox::Done& done) const;
  void Finish(Outcome outcome);

  const AttemptId id_;
  const std::unique_ptr<AttemptObserver> observer_;
  std::shared_ptr<const v1::Task> task_;            // Null once it was parked: a sandbox needs no more of it.
  std::shared_ptr<const task::Script> registered_;  // Or null; null once it was parked.
  std::shared_ptr<const CachedScript> cached_;      // Or null.
  const int32_t number_;
  int32_t generation_ = 0;
  pid_t parked_by_ = 0;
  const absl::Duration started_;
  const absl::Duration run_timeout_;
  absl::Duration deadline_;
  absl::Duration cpu_time_before_;
  absl::Duration cpu_time_parked_;  // In turns that have ended.
  absl::Duration wake_time_;
  const int64_t memory_limit_;
  const bool lowered_;  // It is less than the task's.
  const int64_t output_limit_;
  const absl::Duration cpu_limit_;
  const std::string task_name_;
  const std::string queue_;
  const uint64_t lease_token_;
  const int weight_;
  int children_ = 0;
  std::unique_ptr<std::string> request_;
  int64_t output_bytes_ = 0;
  int64_t progress_reports_ = 0;
  int64_t times_parked_ = 0;
  bool alone_ = false;
  KillReason kill_reason_ = KillReason::kNone;
  sandbox::Why why_parked_ = sandbox::Why::kSleeps;
  std::string difference_;
  std::shared_ptr<Share> share_;
  LuaWorker* held_by_ = nullptr;
  absl::Duration expected_;
  size_t kept_bytes_ = 0;
  std::unique_ptr<absl::StatusOr<std::string>> answer_;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_LUA_LUA_ATTEMPT_H_
