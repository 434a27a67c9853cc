#include <gtest/gtest.h>
#include <signal.h>
#include <sys/types.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"

namespace errand {
namespace {

// As the kernel's out-of-memory killer would.
void KillSandboxes(const ServerProcess& server) {
  for (const auto& thread :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", server.pid(), "/task"))) {
    std::ifstream children(thread.path() / "children");
    for (pid_t pid; children >> pid;) kill(pid, SIGKILL);
  }
}

TEST(CrashLoop, ATaskThatTakesItsSandboxDownMaxAttemptsTimesHasFailed) {
  ServerProcess server({"--lua_workers=1"});
  v1::RunTaskRequest request;
  *request.mutable_create() = LuaRequest("task.log('attempt ' .. task.attempt) while true do end");
  v1::RetryPolicy& retry = *request.mutable_create()->mutable_task()->mutable_retry_policy();
  retry.set_max_attempts(3);
  retry.mutable_min_backoff()->set_nanos(1'000'000);
  retry.mutable_max_backoff()->set_nanos(10'000'000);

  grpc::ClientContext context;
  SetTestDeadline(context);
  auto reader = server.tasks().RunTask(&context, request);
  v1::RunTaskResponse response;
  std::string name;
  while (reader->Read(&response)) {
    for (const v1::TaskEvent& event : response.events()) {
      name = event.task();
      if (!event.has_log()) continue;
      // An attempt may be fed to a process that is about to be killed, and have said nothing.
      EXPECT_EQ(event.log().message(), absl::StrCat("attempt ", event.attempt()));
      KillSandboxes(server);
    }
  }
  ASSERT_TRUE(reader->Finish().ok());

  v1::Task task;
  ASSERT_TRUE(Get(server.tasks(), name, &task).ok());
  EXPECT_EQ(task.state(), v1::TASK_STATE_FAILED);
  EXPECT_EQ(ReasonOf(task.error()), "SANDBOX_DIED");
  ASSERT_EQ(task.attempts_size(), 3);
  for (const v1::Attempt& attempt : task.attempts()) EXPECT_EQ(ReasonOf(attempt.error()), "SANDBOX_DIED");

  EXPECT_EQ(RunToEnd(server.tasks(), LuaRequest("return 1")).end.state(), v1::TASK_STATE_SUCCEEDED)
      << "the next task has a sandbox again";
  EXPECT_EQ(server.Stop(), 0);
}

}  // namespace
}  // namespace errand
