#ifndef ERRAND_TESTS_BENCH_SCRIPT_RUNNER_H_
#define ERRAND_TESTS_BENCH_SCRIPT_RUNNER_H_

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "server/handlers/lua/lua_handler.h"
#include "server/handlers/lua/zygote.h"
#include "server/io/loop.h"
#include "tests/bench/options.h"

namespace errand::bench {

// The Lua handler by itself, in this process, with real sandbox processes.
class ScriptRunner {
 public:
  using Done = absl::AnyInvocable<void(const handlers::Outcome&)>;

  explicit ScriptRunner(const Options& options, int workers = 2, int spares = 1);

  handlers::LuaHandler& handler() { return *handler_; }

  // Calls `done` on the handler's thread. Any thread.
  handlers::AttemptId Start(const std::shared_ptr<const v1::Task>& task, Done done);

  // Runs a script to its end.
  handlers::Outcome Run(const std::shared_ptr<const v1::Task>& task);

  // As a server would complete it.
  static std::shared_ptr<v1::Task> Task(const std::string& source);

  // What the processes that run scripts have used.
  static absl::Duration CpuOfWorkers();

  // This process's memory and theirs; what several share counts in parts.
  static int64_t Bytes();

  // Those processes.
  static std::vector<pid_t> Workers();

 private:
  io::Loop loop_;
  std::unique_ptr<handlers::Zygote> zygote_;
  std::unique_ptr<handlers::LuaHandler> handler_;
  std::atomic<handlers::AttemptId> last_id_ = 0;
};

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_SCRIPT_RUNNER_H_
