#ifndef ERRAND_SERVER_SERVICE_SOURCE_CHECKS_H_
#define ERRAND_SERVER_SERVICE_SOURCE_CHECKS_H_

#include <atomic>
#include <coroutine>
#include <functional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/rpc/loop.h"
#include "server/store/task_store.h"

namespace errand::service {

// Says whether a Lua source compiles: INVALID_ARGUMENT naming `field` if not. Calls `done` exactly once,
// from any thread, soon: submissions wait for it. At once, before it returns, for a source known to be good.
// `source` is borrowed until then.
using SourceCheck = std::function<void(std::string field, const std::string& source,
                                       absl::AnyInvocable<void(absl::Status)> done)>;

// Awaits the checks of a call's sources, all at once:
//
//   SourceChecks checks(loop, check_source_);
//   for (auto& submission : submissions) checks.Add(submission);
//   co_await checks;
//
// Does not suspend where all sources are known. Lives in the coroutine's frame, and is awaited before the
// frame goes.
class SourceChecks final : private rpc::Posted {
 public:
  // `check` is borrowed, and may be null: then all sources count as good.
  SourceChecks(rpc::Loop& loop, const SourceCheck& check) : loop_(loop), check_(check) {}
  SourceChecks(const SourceChecks&) = delete;
  SourceChecks& operator=(const SourceChecks&) = delete;

  // Starts the check of a prepared Lua task. A source that does not compile makes the error, naming
  // `task.lua.source`, of its submission, which is borrowed until all is awaited.
  void Add(absl::StatusOr<store::Submission>& submission);

  bool await_ready() noexcept { return Count(); }
  void await_suspend(std::coroutine_handle<> caller) noexcept { caller_ = caller; }
  void await_resume() const noexcept {}

 private:
  // True for the last of those that are waited for, the awaiting coroutine among them.
  bool Count() noexcept { return pending_.fetch_sub(1, std::memory_order_acq_rel) == 1; }
  void Run() override { caller_.resume(); }

  rpc::Loop& loop_;
  const SourceCheck& check_;
  std::atomic<int> pending_{1};
  std::coroutine_handle<> caller_;
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_SOURCE_CHECKS_H_
