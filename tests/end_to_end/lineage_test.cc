// Scripts that create tasks like themselves come to an end, by themselves or when they are told to.
#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"
#include "tests/paths/paths.h"

namespace errand {
namespace {

using testing::HasSubstr;

// Submits itself twice, and goes on where it is refused; `queue` is where to.
std::string Multiplier(const std::string& queue) {
  return absl::StrCat(R"(
      for i = 1, 2 do
        pcall(task.submit, {lua = {source = task.payload, text = task.payload}}, {queue = ')",
                      queue, R"('})
      end)");
}

v1::Task Begin(ServerProcess& server, const std::string& source, const std::string& queue = "") {
  v1::CreateTaskRequest request = LuaRequest(source, source);
  if (!queue.empty()) request.set_parent(queue);
  v1::Task task;
  EXPECT_TRUE(Create(server.tasks(), request, &task).ok());
  return task;
}

int64_t Living(ServerProcess& server, const std::string& queue) {
  v1::GetQueueStatsRequest request;
  request.set_name(queue);
  v1::GetQueueStatsResponse response;
  if (!Call(server.queues(), &v1::Queues::Stub::GetQueueStats, request, &response).ok()) return 0;
  int64_t living = 0;
  for (const auto& [state, count] : response.stats().tasks_by_state()) {
    if (state == "TASK_STATE_SCHEDULED" || state == "TASK_STATE_QUEUED" || state == "TASK_STATE_RUNNING") {
      living += count;
    }
  }
  return living;
}

// Waits until the queue has at least, or at most, so many tasks that have not ended.
bool WaitForLiving(ServerProcess& server, const std::string& queue, int64_t least, int64_t most) {
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  for (int64_t living = Living(server, queue); living < least || living > most;
       living = Living(server, queue)) {
    if (absl::Now() > deadline) return false;
  }
  return true;
}

int64_t Purge(ServerProcess& server, const std::string& queue) {
  v1::PurgeQueueRequest request;
  request.set_name(queue);
  v1::PurgeQueueResponse response;
  EXPECT_TRUE(Call(server.queues(), &v1::Queues::Stub::PurgeQueue, request, &response).ok()) << queue;
  return response.purged_count();
}

constexpr int64_t kMany = 1'000'000'000;

TEST(Lineage, AScriptIsToldThatItIsTooDeepAndWhichFlagSaysSo) {
  ServerProcess server({"--max_task_depth=2"});
  const std::string source = R"(
      local ok, message = pcall(task.submit, {lua = {source = task.payload, text = task.payload}})
      return ok and message or 'refused: ' .. message)";
  v1::Task task = Begin(server, source);
  for (int depth = 0;; ++depth) {
    ASSERT_TRUE(Wait(server.tasks(), task.name(), 30'000, &task).ok());
    EXPECT_EQ(task.depth(), depth);
    if (depth == 2) break;
    task.set_name(task.result().data());
  }
  EXPECT_THAT(task.result().data(), HasSubstr("refused: "));
  EXPECT_THAT(task.result().data(), HasSubstr("--max_task_depth=2"));
}

TEST(Lineage, AScriptThatSubmitsItselfTwiceIsBounded) {
  ServerProcess server({"--max_task_descendants=50", "--max_task_depth=100"});
  (void)Begin(server, Multiplier("default"));
  ASSERT_TRUE(WaitForLiving(server, "queues/default", 45, kMany));
  for (int i = 0; i < 200; ++i) EXPECT_LE(Living(server, "queues/default"), 51);
  // Beside it others go on.
  const Ran other = RunToEnd(server.tasks(), LuaRequest("return 1"));
  EXPECT_TRUE(other.status.ok());
}

TEST(Lineage, APurgeEndsAScriptThatSubmitsItself) {
  ServerProcess server({"--max_task_depth=100"});
  const v1::Task root = Begin(server, Multiplier("default"));
  ASSERT_TRUE(WaitForLiving(server, "queues/default", 500, kMany));
  EXPECT_GT(Purge(server, "queues/default"), 0);
  EXPECT_TRUE(WaitForLiving(server, "queues/default", 0, 0)) << "it goes on";
  // The queue is there for others.
  EXPECT_TRUE(RunToEnd(server.tasks(), LuaRequest("return 1")).status.ok());
}

TEST(Lineage, PurgesOfBothEndTwoQueuesThatFillEachOther) {
  ServerProcess server({"--max_task_depth=100"});
  const std::string source = R"(
      for _, queue in ipairs({'a', 'b'}) do
        pcall(task.submit, {lua = {source = task.payload, text = task.payload}}, {queue = queue})
      end)";
  (void)Begin(server, source, "queues/a");
  ASSERT_TRUE(WaitForLiving(server, "queues/a", 200, kMany));
  ASSERT_TRUE(WaitForLiving(server, "queues/b", 200, kMany));
  (void)Purge(server, "queues/a");
  (void)Purge(server, "queues/b");
  EXPECT_TRUE(WaitForLiving(server, "queues/a", 0, 0)) << "it goes on";
  EXPECT_TRUE(WaitForLiving(server, "queues/b", 0, 0)) << "it goes on";
}

TEST(Lineage, CancellingTheRootWithDescendantsEndsThemAll) {
  ServerProcess server({"--max_task_depth=100", "--max_ended_tasks=10"});
  const v1::Task root = Begin(server, Multiplier("default"));
  ASSERT_TRUE(WaitForLiving(server, "queues/default", 500, kMany));
  // It is long forgotten.
  v1::Task gone;
  EXPECT_EQ(Get(server.tasks(), root.name(), &gone).error_code(), grpc::StatusCode::NOT_FOUND);
  const Finished cancelled =
      RunProgram({kErrandPath, "cancel", "--descendants", root.name(), "--server=" + server.address()});
  EXPECT_EQ(cancelled.exit_code, 0) << cancelled.errors;
  EXPECT_THAT(cancelled.output, HasSubstr(" descendants\n"));
  EXPECT_TRUE(WaitForLiving(server, "queues/default", 0, 0)) << "it goes on";
}

TEST(Lineage, FamiliesAreListedByTheirRoot) {
  ServerProcess server;
  const v1::Task root =
      Begin(server, "for i = 1, 3 do task.submit({lua = {source = 'return 1'}}, {queue = 'children'}) end");
  v1::Task ended;
  ASSERT_TRUE(Wait(server.tasks(), root.name(), 30'000, &ended).ok());
  ASSERT_TRUE(RunToEnd(server.tasks(), LuaRequest("return 1")).status.ok());
  v1::ListTasksRequest request;
  request.set_parent("queues/-");
  request.set_filter(absl::StrCat("root_task = \"", root.name(), "\" AND depth = 1"));
  v1::ListTasksResponse response;
  ASSERT_TRUE(Call(server.tasks(), &v1::Tasks::Stub::ListTasks, request, &response).ok());
  EXPECT_EQ(response.tasks_size(), 3);
}

TEST(Lineage, ClientsCannotSayWhereATaskComesFrom) {
  ServerProcess server;
  v1::CreateTaskRequest request = LuaRequest("return 1");
  request.mutable_task()->set_parent_task("queues/default/tasks/a");
  request.mutable_task()->set_root_task("queues/default/tasks/a");
  request.mutable_task()->set_depth(3);
  v1::Task task;
  ASSERT_TRUE(Create(server.tasks(), request, &task).ok());
  EXPECT_EQ(task.parent_task() + task.root_task(), "");
  EXPECT_EQ(task.depth(), 0);
}

TEST(Lineage, AFamilyIsCancelledAfterTheServerWasKilled) {
  const std::string folder = testing::TempDir() + "lineage_after_kill";
  std::filesystem::remove_all(folder);
  const std::vector<std::string> flags = {"--data_dir=" + folder, "--max_task_depth=100"};
  std::string root;
  {
    ServerProcess server(flags);
    root = Begin(server, Multiplier("default")).name();
    ASSERT_TRUE(WaitForLiving(server, "queues/default", 200, kMany));
    server.Signal(SIGKILL);
    server.Wait();
  }
  ServerProcess server(flags);
  v1::CancelTaskRequest request;
  request.set_name(root);
  request.set_descendants(true);
  v1::CancelTaskResponse response;
  ASSERT_TRUE(Call(server.tasks(), &v1::Tasks::Stub::CancelTask, request, &response).ok());
  EXPECT_GT(response.descendants_count(), 0);
  EXPECT_TRUE(WaitForLiving(server, "queues/default", 0, 0)) << "it goes on";
  server.Stop();
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace errand
