#ifndef ERRAND_TESTS_HANDLERS_LUA_LUA_RUNNER_H_
#define ERRAND_TESTS_HANDLERS_LUA_LUA_RUNNER_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "server/handlers/lua/lua_handler.h"
#include "server/io/loop.h"
#include "tests/paths/paths.h"
#include "tests/processes/children.h"

namespace errand::handlers {

// What became of one attempt.
class Recording {
 public:
  // Waits for the end; fails the test when it does not come.
  const Outcome& Wait();
  // Waits until `count` events have come.
  void WaitForEvents(size_t count);
  bool over() const { return over_.HasBeenNotified(); }

  // Has `call` called at each event, from the handler's thread.
  void OnEvent(std::function<void()> call);

  // In words: "out text", "info text", "1/2 message".
  std::vector<std::string> events();

 private:
  friend class Recorder;

  absl::Mutex mu_;
  std::vector<v1::TaskEvent> events_ ABSL_GUARDED_BY(mu_);
  Outcome outcome_;
  std::function<void()> on_event_ ABSL_GUARDED_BY(mu_);
  absl::Notification over_;
};

// The reason of an error, "" of OK.
std::string Reason(const absl::Status& status);

// A handler with real sandbox processes.
class LuaTest : public testing::Test {
 protected:
  static constexpr AttemptId kAnyId = 0;

  // Before the first run.
  void UseHandler(int workers, int spares, const std::string& program = kErrandSandboxPath);
  void UseHandler(LuaHandlerOptions options, const std::string& program = kErrandSandboxPath);

  // Waits until the handler's statistics, which change as attempts are parked or held, are as wanted.
  void WaitUntil(const std::function<bool(const LuaHandler::Statistics&)>& reached);
  void WaitUntilParked(size_t count = 1) {
    WaitUntil([count](const LuaHandler::Statistics& now) { return now.parked == count; });
  }

  // Starts a script. `change` may adapt the task.
  std::shared_ptr<Recording> Start(const std::string& source,
                                   const std::function<void(v1::Task&)>& change = {}, AttemptId id = kAnyId);

  // Starts several at once, which have the ids from 1 on.
  std::vector<std::shared_ptr<Recording>> StartTogether(const std::vector<std::string>& sources);

  // Runs a script to its end.
  std::shared_ptr<Recording> Run(const std::string& source,
                                 const std::function<void(v1::Task&)>& change = {});

  // Runs a script that must succeed; its result.
  std::string Result(const std::string& source, const std::function<void(v1::Task&)>& change = {});

  // Runs a script that must fail; its error message.
  std::string Error(const std::string& source);

  io::Loop& loop() { return loop_; }
  LuaHandler& handler();
  void DestroyHandler() {
    handler_ = nullptr;
    zygote_ = nullptr;
  }

  // Pids of this process's children that run scripts.
  static std::vector<pid_t> SandboxPids() { return ChildrenNamed("errand-worker"); }
  // Of those that fork them.
  static std::vector<pid_t> ZygotePids() { return ChildrenNamed("errand-sandbox"); }

 private:
  absl::Mutex mu_;
  int changes_ ABSL_GUARDED_BY(mu_) = 0;
  io::Loop loop_;
  std::unique_ptr<Zygote> zygote_;
  std::unique_ptr<LuaHandler> handler_;
  AttemptId next_id_ = 1000;
};

}  // namespace errand::handlers

#endif  // ERRAND_TESTS_HANDLERS_LUA_LUA_RUNNER_H_
