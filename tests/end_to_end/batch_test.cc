#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"

namespace errand {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

grpc::Status CreateBatch(const ServerProcess& server, const v1::BatchCreateTasksRequest& batch,
                         v1::BatchCreateTasksResponse* response) {
  return Call(server.tasks(), &v1::Tasks::Stub::BatchCreateTasks, batch, response);
}

v1::BatchCreateTasksRequest Batch(int size) {
  v1::BatchCreateTasksRequest batch;
  for (int i = 0; i < size; ++i) {
    *batch.add_requests() = LuaRequest("return task.payload", absl::StrCat(i));
    batch.mutable_requests(i)->set_task_id(absl::StrCat("t", i));
  }
  return batch;
}

// No task of Batch(size) is there.
void ExpectNone(const ServerProcess& server, int size) {
  for (int i = 0; i < size; ++i) {
    v1::Task task;
    EXPECT_EQ(Get(server.tasks(), absl::StrCat("queues/default/tasks/t", i), &task).error_code(),
              grpc::StatusCode::NOT_FOUND);
  }
}

TEST(BatchCreateTasks, AllAreCreatedInTheOrderOfTheRequests) {
  ServerProcess server;
  v1::BatchCreateTasksResponse response;
  const grpc::Status status = CreateBatch(server, Batch(100), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.tasks_size(), 100);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(response.tasks(i).name(), absl::StrCat("queues/default/tasks/t", i));
    EXPECT_TRUE(response.tasks(i).lua().source().empty()) << "BASIC view";
  }
  v1::Task task;
  ASSERT_TRUE(Wait(server.tasks(), response.tasks(99).name(), 30'000, &task).ok());
  EXPECT_EQ(task.result().data(), "99");
  EXPECT_EQ(server.Stop(), 0);
}

TEST(BatchCreateTasks, OneThatIsRefusedIsNamedAndNoneIsCreated) {
  ServerProcess server;
  v1::BatchCreateTasksRequest batch = Batch(5);
  v1::BatchCreateTasksResponse response;
  batch.mutable_requests(3)->mutable_task()->set_priority(10);
  grpc::Status status = CreateBatch(server, batch, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(FieldOf(status), "requests[3].task.priority");
  EXPECT_THAT(status.error_message(), StartsWith("requests[3].task.priority: must be"));
  EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(status)->metadata().at("field"), "requests[3].task.priority");
  ExpectNone(server, 5);

  batch = Batch(5);
  batch.mutable_requests(2)->mutable_task()->mutable_lua()->set_source("if then");
  status = CreateBatch(server, batch, &response);
  EXPECT_EQ(FieldOf(status), "requests[2].task.lua.source");
  ExpectNone(server, 5);

  batch = Batch(5);
  batch.mutable_requests(4)->set_validate_only(true);
  status = CreateBatch(server, batch, &response);
  EXPECT_EQ(FieldOf(status), "requests[4].validate_only");
  ExpectNone(server, 5);
}

TEST(BatchCreateTasks, AFullQueueRefusesAllAndKeepsTheDetails) {
  ServerProcess server({"--queue_max_tasks=2"});
  PauseQueue(server.queues(), "queues/default");
  v1::BatchCreateTasksResponse response;
  const grpc::Status status = CreateBatch(server, Batch(3), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(status), "QUEUE_FULL");
  EXPECT_THAT(status.error_message(), StartsWith("requests[2]: "));
  EXPECT_EQ(DetailOf<google::rpc::QuotaFailure>(status)->violations(0).subject(), "queues/default");
  EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(status).has_value());
  ExpectNone(server, 3);
  EXPECT_TRUE(CreateBatch(server, Batch(2), &response).ok());
}

TEST(BatchCreateTasks, AnIdThatIsTakenRefusesAll) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  v1::CreateTaskRequest taken = LuaRequest("return 1");
  taken.set_task_id("taken");
  v1::Task task;
  ASSERT_TRUE(Create(server.tasks(), taken, &task).ok());
  v1::BatchCreateTasksRequest batch = Batch(3);
  batch.mutable_requests(1)->set_task_id("taken");
  v1::BatchCreateTasksResponse response;
  const grpc::Status status = CreateBatch(server, batch, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(status.error_message(), StartsWith("requests[1]: "));
  ExpectNone(server, 3);
}

TEST(BatchCreateTasks, TheQueueOfTheBatchIsThatOfItsRequests) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  v1::BatchCreateTasksRequest batch = Batch(2);
  batch.set_parent("queues/mail");
  batch.mutable_requests(1)->set_parent("queues/mail");
  v1::BatchCreateTasksResponse response;
  ASSERT_TRUE(CreateBatch(server, batch, &response).ok());
  EXPECT_EQ(response.tasks(0).name(), "queues/mail/tasks/t0");
  EXPECT_EQ(response.tasks(1).name(), "queues/mail/tasks/t1");

  batch.mutable_requests(1)->set_parent("queues/other");
  grpc::Status status = CreateBatch(server, batch, &response);
  EXPECT_EQ(FieldOf(status), "requests[1].parent");
  EXPECT_THAT(status.error_message(), HasSubstr("queues/mail"));

  batch.clear_parent();
  batch.mutable_requests(0)->set_parent("queues/third");
  ASSERT_TRUE(CreateBatch(server, batch, &response).ok());
  EXPECT_EQ(response.tasks(0).name(), "queues/third/tasks/t0");
  EXPECT_EQ(response.tasks(1).name(), "queues/other/tasks/t1");

  batch.set_parent("mail");
  EXPECT_EQ(FieldOf(CreateBatch(server, batch, &response)), "parent");
}

TEST(BatchCreateTasks, ARepeatedBatchReturnsTheTasksOfTheFirst) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  v1::BatchCreateTasksRequest batch;
  for (int i = 0; i < 10; ++i) {
    *batch.add_requests() = LuaRequest("return 1");
    batch.mutable_requests(i)->set_request_id(absl::StrCat("only-once-", i));
  }
  v1::BatchCreateTasksResponse first;
  v1::BatchCreateTasksResponse second;
  ASSERT_TRUE(CreateBatch(server, batch, &first).ok());
  ASSERT_TRUE(CreateBatch(server, batch, &second).ok());
  ASSERT_EQ(first.tasks_size(), second.tasks_size());
  for (int i = 0; i < first.tasks_size(); ++i) EXPECT_EQ(first.tasks(i).uid(), second.tasks(i).uid());
}

TEST(BatchCreateTasks, ABatchHoldsOneToAThousandRequests) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  v1::BatchCreateTasksResponse response;
  EXPECT_EQ(FieldOf(CreateBatch(server, Batch(0), &response)), "requests");
  EXPECT_EQ(FieldOf(CreateBatch(server, Batch(1001), &response)), "requests");
  ASSERT_TRUE(CreateBatch(server, Batch(1000), &response).ok());
  EXPECT_EQ(response.tasks_size(), 1000);
}

}  // namespace
}  // namespace errand
