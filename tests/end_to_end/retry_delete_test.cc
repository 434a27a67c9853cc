#include <gtest/gtest.h>

#include <string>

#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"

namespace errand {
namespace {

grpc::Status Retry(const ServerProcess& server, const std::string& name, const std::string& etag,
                   v1::Task* task) {
  v1::RetryTaskRequest request;
  request.set_name(name);
  request.set_etag(etag);
  v1::RetryTaskResponse response;
  const grpc::Status status = Call(server.tasks(), &v1::Tasks::Stub::RetryTask, request, &response);
  *task = response.task();
  return status;
}

grpc::Status Delete(const ServerProcess& server, const std::string& name, const std::string& etag = "") {
  v1::DeleteTaskRequest request;
  request.set_name(name);
  request.set_etag(etag);
  v1::DeleteTaskResponse response;
  return Call(server.tasks(), &v1::Tasks::Stub::DeleteTask, request, &response);
}

v1::Task RunAndGet(const ServerProcess& server, const std::string& source) {
  const Ran ran = RunToEnd(server.tasks(), LuaRequest(source));
  v1::Task task;
  EXPECT_TRUE(Get(server.tasks(), ran.events.at(0).task(), &task).ok());
  return task;
}

TEST(RetryTask, AFailedTaskRunsAgain) {
  ServerProcess server;
  v1::Task task = RunAndGet(server, "if task.attempt == 1 then error('not yet') end return task.attempt");
  EXPECT_EQ(task.state(), v1::TASK_STATE_FAILED);
  const std::string name = task.name();
  ASSERT_TRUE(Retry(server, name, task.etag(), &task).ok());
  EXPECT_EQ(task.name(), name);
  EXPECT_FALSE(task.state() == v1::TASK_STATE_FAILED);
  ASSERT_TRUE(Wait(server.tasks(), name, 30'000, &task).ok());
  EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(task.result().data(), "2");
  EXPECT_EQ(task.attempts_size(), 2);
  EXPECT_EQ(server.Stop(), 0);
}

TEST(RetryTask, OnlyATaskThatEndedWithoutSuccessIsRetried) {
  ServerProcess server({"--lua_workers=1"});
  v1::Task task = RunAndGet(server, "return 1");
  v1::Task ignored;
  EXPECT_EQ(Retry(server, task.name(), "", &ignored).error_code(), grpc::StatusCode::FAILED_PRECONDITION);

  ASSERT_TRUE(Create(server.tasks(), LuaRequest("task.sleep(600)"), &task).ok());
  const grpc::Status status = Retry(server, task.name(), "", &ignored);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_NE(ReasonOf(status), "no ErrorInfo");

  EXPECT_EQ(Retry(server, "queues/default/tasks/none", "", &ignored).error_code(),
            grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(FieldOf(Retry(server, "none", "", &ignored)), "name");
}

TEST(RetryTask, AnotherEtagIsAborted) {
  ServerProcess server;
  v1::Task task = RunAndGet(server, "error('no')");
  v1::Task ignored;
  EXPECT_EQ(Retry(server, task.name(), task.etag() + "x", &ignored).error_code(), grpc::StatusCode::ABORTED);
  EXPECT_TRUE(Retry(server, task.name(), task.etag(), &ignored).ok());
}

TEST(DeleteTask, ATaskThatHasEndedIsForgotten) {
  ServerProcess server;
  const v1::Task task = RunAndGet(server, "return 1");
  EXPECT_EQ(Delete(server, task.name(), task.etag() + "x").error_code(), grpc::StatusCode::ABORTED);
  ASSERT_TRUE(Delete(server, task.name(), task.etag()).ok());
  v1::Task gone;
  EXPECT_EQ(Get(server.tasks(), task.name(), &gone).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Delete(server, task.name()).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(FieldOf(Delete(server, "none")), "name");
}

TEST(DeleteTask, ATaskThatHasNotEndedStays) {
  ServerProcess server;
  v1::Task task;
  ASSERT_TRUE(Create(server.tasks(), LuaRequest("task.sleep(600)"), &task).ok());
  EXPECT_EQ(Delete(server, task.name()).error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_TRUE(Get(server.tasks(), task.name(), &task).ok());
  ASSERT_TRUE(Cancel(server.tasks(), task.name()).ok());
  ASSERT_TRUE(Wait(server.tasks(), task.name(), 30'000, &task).ok());
  EXPECT_TRUE(Delete(server, task.name()).ok());
}

}  // namespace
}  // namespace errand
