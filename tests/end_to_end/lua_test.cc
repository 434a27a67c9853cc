#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"

namespace errand {
namespace {

using ::testing::HasSubstr;

TEST(LuaTasks, AScriptReadsItsPayloadReportsProgressAndReturnsAResult) {
  ServerProcess server;
  const Ran ran = RunToEnd(server.tasks(), LuaRequest(R"(
    local numbers = json.decode(task.payload).numbers
    local sum = 0
    for i, n in ipairs(numbers) do
      sum = sum + n
      task.progress(i, #numbers, "added " .. n)
    end
    task.log("info", "all added")
    return {sum = sum}
  )",
                                                      R"({"numbers": [1, 2, 39]})"));
  ASSERT_TRUE(ran.status.ok()) << ran.status.error_message();
  EXPECT_EQ(ran.end.state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(ran.end.result().data(), R"({"sum":42})");
  EXPECT_EQ(ran.end.result().content_type(), "application/json");
  ASSERT_GE(ran.events.size(), 5u);
  EXPECT_EQ(ran.events[0].state().state(), v1::TASK_STATE_QUEUED);
  EXPECT_EQ(ran.events[1].state().state(), v1::TASK_STATE_RUNNING);

  v1::Task task;
  ASSERT_TRUE(Get(server.tasks(), ran.events[0].task(), &task).ok());
  EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(task.progress().completed(), 3);
  EXPECT_EQ(task.attempt_count(), 1);
  EXPECT_EQ(task.durability(), v1::DURABILITY_MEMORY);
  EXPECT_EQ(task.result().data(), R"({"sum":42})");
  EXPECT_TRUE(task.has_end_time());
  EXPECT_EQ(server.Stop(), 0);
}

TEST(LuaTasks, AnEndlessScriptIsStoppedByItsTimeLimitAndTheServerGoesOn) {
  ServerProcess server({"--lua_workers=1"});
  v1::CreateTaskRequest request = LuaRequest("while true do end");
  request.mutable_task()->mutable_run_timeout()->set_nanos(200'000'000);
  const Ran ran = RunToEnd(server.tasks(), request);
  ASSERT_TRUE(ran.status.ok());
  EXPECT_EQ(ran.end.state(), v1::TASK_STATE_FAILED);
  EXPECT_EQ(ReasonOf(ran.end.error()), "RUN_TIMEOUT_EXCEEDED");
  EXPECT_EQ(RunToEnd(server.tasks(), LuaRequest("return 1")).end.result().data(), "1");
}

TEST(LuaTasks, AnErrorComesWithATraceback) {
  ServerProcess server;
  const Ran ran =
      RunToEnd(server.tasks(), LuaRequest("local function f()\n  error('no such order')\nend\nf()"));
  EXPECT_EQ(ran.end.state(), v1::TASK_STATE_FAILED);
  EXPECT_EQ(ReasonOf(ran.end.error()), "LUA_ERROR");
  EXPECT_THAT(ran.end.error().message(), HasSubstr("script:2: no such order"));
  EXPECT_THAT(ran.end.error().message(), HasSubstr("script:4:"));
}

TEST(LuaTasks, AScriptThatWantsTooMuchMemoryFailsAlone) {
  ServerProcess server;
  v1::CreateTaskRequest request =
      LuaRequest("local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end");
  request.mutable_task()->mutable_limits()->set_memory_bytes(4 << 20);
  EXPECT_EQ(ReasonOf(RunToEnd(server.tasks(), request).end.error()), "MEMORY_EXCEEDED");
  EXPECT_EQ(RunToEnd(server.tasks(), LuaRequest("return 1")).end.state(), v1::TASK_STATE_SUCCEEDED);
}

TEST(LuaTasks, AFailedAttemptIsRetriedUntilTheAttemptsAreSpent) {
  ServerProcess server;
  v1::CreateTaskRequest request =
      LuaRequest("if task.attempt < 3 then error('not yet') end return task.attempt");
  v1::RetryPolicy& policy = *request.mutable_task()->mutable_retry_policy();
  policy.set_max_attempts(3);
  policy.mutable_min_backoff()->set_nanos(1'000'000);
  const Ran ran = RunToEnd(server.tasks(), request);
  EXPECT_EQ(ran.end.state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(ran.end.result().data(), "3");
}

TEST(LuaTasks, ARunningTaskIsCancelled) {
  ServerProcess server;
  v1::Task task;
  ASSERT_TRUE(Create(server.tasks(), LuaRequest("while true do end"), &task).ok());
  WaitForState(server.tasks(), task.name(), v1::TASK_STATE_RUNNING);
  ASSERT_TRUE(Cancel(server.tasks(), task.name()).ok());
  ASSERT_TRUE(Wait(server.tasks(), task.name(), 30'000, &task).ok());
  EXPECT_EQ(task.state(), v1::TASK_STATE_CANCELLED);
  EXPECT_EQ(ReasonOf(task.error()), "CANCELLED");
}

TEST(LuaTasks, AQueuedTaskIsCancelledAtOnceAndNeverRuns) {
  ServerProcess server({"--lua_workers=1"});
  // As many as one worker shares its time with.
  v1::Task running[4];
  for (v1::Task& task : running) {
    ASSERT_TRUE(Create(server.tasks(), LuaRequest("while true do end"), &task).ok());
    WaitForState(server.tasks(), task.name(), v1::TASK_STATE_RUNNING);
  }
  v1::Task waiting;
  ASSERT_TRUE(Create(server.tasks(), LuaRequest("return 1"), &waiting).ok());
  ASSERT_TRUE(Cancel(server.tasks(), waiting.name()).ok());
  ASSERT_TRUE(Get(server.tasks(), waiting.name(), &waiting).ok());
  EXPECT_EQ(waiting.state(), v1::TASK_STATE_CANCELLED);
  EXPECT_EQ(waiting.attempt_count(), 0);
}

TEST(LuaTasks, WaitAnswersWithTheTaskAsItIsWhenTheTimeoutIsOver) {
  ServerProcess server;
  v1::Task task;
  ASSERT_TRUE(Create(server.tasks(), LuaRequest("task.sleep(30)"), &task).ok());
  ASSERT_TRUE(Wait(server.tasks(), task.name(), 50, &task).ok());
  EXPECT_FALSE(task.state() == v1::TASK_STATE_SUCCEEDED);
}

TEST(LuaTasks, ARepeatedRunWithOneRequestIdStreamsTheSameTaskFromItsFirstEvent) {
  ServerProcess server;
  v1::CreateTaskRequest request = LuaRequest("return 1");
  request.set_request_id("only-once");
  const Ran first = RunToEnd(server.tasks(), request);
  const Ran second = RunToEnd(server.tasks(), request);
  ASSERT_FALSE(first.events.empty());
  ASSERT_FALSE(second.events.empty());
  EXPECT_EQ(first.events[0].task(), second.events[0].task());
  EXPECT_EQ(first.events.size(), second.events.size());
}

TEST(LuaTasks, ScriptsRunSideBySideAndAStuckOneDelaysNobody) {
  ServerProcess server({"--lua_workers=2"});
  v1::Task stuck;
  ASSERT_TRUE(Create(server.tasks(), LuaRequest("while true do end"), &stuck).ok());
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(RunToEnd(server.tasks(), LuaRequest("return 1")).end.state(), v1::TASK_STATE_SUCCEEDED);
  }
}

}  // namespace
}  // namespace errand
