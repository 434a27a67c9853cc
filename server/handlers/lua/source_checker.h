#ifndef ERRAND_SERVER_HANDLERS_LUA_SOURCE_CHECKER_H_
#define ERRAND_SERVER_HANDLERS_LUA_SOURCE_CHECKER_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/handlers/lua/sandbox_process.h"
#include "server/handlers/lua/zygote.h"
#include "server/io/loop.h"
#include "server/io/timer.h"
#include "server/task/script.h"

namespace errand::handlers {

// Tells whether Lua sources compile, so that a task that cannot run is refused when it is submitted.
//
// Short sources go before long ones: a source that takes long to compile keeps those of others waiting no
// longer than that. A courtesy, not a gate: sources are compiled in an errand-sandbox process of its own, and
// where that gives no answer within `patience` the source counts as good; the attempt will tell. Sources that
// were good are remembered, and answered at once. Compile is the gate: no answer is an error there, and
// nothing is remembered.
class SourceChecker {
 public:
  // `zygote` is borrowed and must outlive the checker, which may not be destroyed on its loop's thread. While
  // no process can be forked, which is logged, no source is answered.
  explicit SourceChecker(Zygote* zygote, absl::Duration patience = absl::Milliseconds(250));

  // No source that still waits is answered.
  ~SourceChecker();

  SourceChecker(const SourceChecker&) = delete;
  SourceChecker& operator=(const SourceChecker&) = delete;

  // Calls `done` once: with OK, or with InvalidSource (task/errors.h) of `field` ("task.lua.source"). On the
  // caller's thread before Check returns, or on the loop's. Any thread.
  void Check(std::string field, std::string source, absl::AnyInvocable<void(absl::Status)> done);

  // Calls `done` once: with what is wrong with a source, nothing if it compiles; or with UNAVAILABLE and a
  // RetryInfo. On the loop's thread. Any thread.
  using Problems = std::vector<task::ScriptProblem>;
  void Compile(std::string source, absl::AnyInvocable<void(absl::StatusOr<Problems>)> done);

 private:
  class Owner;

  // What the sandbox says of a source; null when it gives no answer.
  using Answered = absl::AnyInvocable<void(const sandbox::Checked* checked)>;
  struct Pending {
    std::string source;
    Answered done;
    absl::Duration deadline;  // By LuaAttempt::MonotonicNow.
  };

  static size_t Hash(const std::string& source);
  bool IsKnownGood(size_t hash);
  void RememberGood(size_t hash);

  void Post(std::string source, Answered done);

  // The loop's thread.
  void Enqueue(Pending pending);
  std::deque<Pending>::iterator PlaceFor(const Pending& pending);
  void StartProcess();
  void SendNext();
  void OnFrame(const sandbox::Frame& frame);
  void OnProcessGone(const std::string& why);
  void OnOverdue();
  void AnswerNone();
  void ShutDown();

  Zygote* const zygote_;
  io::Loop* const loop_;
  const absl::Duration patience_;
  const std::unique_ptr<Owner> owner_;

  absl::Mutex mu_;
  // Two generations: when the young one is full it replaces the old.
  std::unordered_set<size_t> young_ ABSL_GUARDED_BY(mu_);
  std::unordered_set<size_t> old_ ABSL_GUARDED_BY(mu_);

  // Owned by the loop's thread.
  std::shared_ptr<SandboxProcess> process_;  // Null while there is none.
  bool forking_ = false;
  bool closing_ = false;
  bool ready_ = false;
  bool sent_ = false;  // The first of `queue_` is being compiled.
  int failures_ = 0;   // To start the process, in a row.
  std::deque<Pending> queue_;
  std::unique_ptr<io::Timer> overdue_;
  std::unique_ptr<io::Timer> backoff_;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_LUA_SOURCE_CHECKER_H_
