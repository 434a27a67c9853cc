// Scripts that create tasks.

#include <gmock/gmock.h>

#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"

namespace errand {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

v1::Task RunScript(ServerProcess& server, const std::string& source) {
  v1::Task task;
  EXPECT_TRUE(Create(server.tasks(), LuaRequest(source), &task).ok());
  EXPECT_TRUE(Wait(server.tasks(), task.name(), 30'000, &task).ok());
  return task;
}

TEST(ChildTasks, AScriptCreatesATaskInItsQueueAndLearnsItsName) {
  ServerProcess server;
  v1::Task parent = RunScript(server, R"(
      return task.submit({lua = {source = 'return task.payload .. "!"', text = 'hello'}}))");
  ASSERT_EQ(parent.state(), v1::TASK_STATE_SUCCEEDED) << parent.error().message();
  EXPECT_THAT(parent.result().data(), StartsWith("queues/default/tasks/"));
  v1::Task child;
  ASSERT_TRUE(Wait(server.tasks(), parent.result().data(), 30'000, &child).ok());
  EXPECT_EQ(child.result().data(), "hello!");
}

TEST(ChildTasks, OptionsNameQueueAndTask) {
  ServerProcess server;
  const v1::Task parent = RunScript(server, R"(
      local name = task.submit({lua = {source = 'return 1'}, priority = 3, labels = {a = 'b'}},
                               {queue = 'other', task_id = 'mine', request_id = 'once'})
      assert(name == task.submit({lua = {source = 'return 1'}}, {queue = 'other', request_id = 'once'}))
      return name)");
  ASSERT_EQ(parent.state(), v1::TASK_STATE_SUCCEEDED) << parent.error().message();
  EXPECT_EQ(parent.result().data(), "queues/other/tasks/mine");
}

TEST(ChildTasks, WhatTheServerRefusesIsAnErrorThatNamesTheField) {
  ServerProcess server;
  const v1::Task parent = RunScript(server, R"(
      local told = {}
      for _, bad in ipairs({{}, {lua = {source = ''}}, {lua = {source = 'return 1'}, priority = 99}, {nonsense = 1},
                            {email = {from = 'no address'}}}) do
        told[#told + 1] = select(2, pcall(task.submit, bad))
      end
      told[#told + 1] = select(2, pcall(email.send, {from = 'a@example.com', to = {'b'}}))
      told[#told + 1] = select(2, pcall(task.submit, {}, {quue = 'other'}))
      return table.concat(told, '\n'))");
  ASSERT_EQ(parent.state(), v1::TASK_STATE_SUCCEEDED) << parent.error().message();
  EXPECT_THAT(parent.result().data(), HasSubstr("task.handler: one of lua and email must be set"));
  EXPECT_THAT(parent.result().data(), HasSubstr("task.lua.source"));
  EXPECT_THAT(parent.result().data(), HasSubstr("task.priority"));
  EXPECT_THAT(parent.result().data(), HasSubstr("nonsense"));
  EXPECT_THAT(parent.result().data(), HasSubstr("'quue' is no option"));
  EXPECT_THAT(parent.result().data(), HasSubstr("task.email.from"));
}

TEST(ChildTasks, AnAttemptCreatesSoManyAndNoMore) {
  ServerProcess server;
  const v1::Task parent = RunScript(server, R"(
      for i = 1, 1000 do task.submit({lua = {source = 'return 1'}}, {queue = 'children'}) end
      return select(2, pcall(task.submit, {lua = {source = 'return 1'}})))");
  ASSERT_EQ(parent.state(), v1::TASK_STATE_SUCCEEDED) << parent.error().message();
  EXPECT_THAT(parent.result().data(), HasSubstr("at most 1000 tasks"));
}

}  // namespace
}  // namespace errand
