#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "errand/channel.h"
#include "errand/client.h"
#include "tests/client/fake_server.h"
#include "tests/client/quick_retries.h"

// The calls for tasks in the plural, and those that are not the same when they are made twice.
namespace errand {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class TaskCallsTest : public ::testing::Test {
 protected:
  FakeServer fake_;
  const Client client_{Dial(fake_.address()), QuickRetries()};
};

TEST_F(TaskCallsTest, BatchCreateGivesEveryRequestAnIdAndIsRepeatedAsAWhole) {
  std::vector<v1::BatchCreateTasksRequest> sent;
  fake_.batch_create = [&](auto&, const v1::BatchCreateTasksRequest& request,
                           v1::BatchCreateTasksResponse& response) {
    sent.push_back(request);
    if (sent.size() == 1) return Unavailable();
    for (int i = 0; i < request.requests_size(); ++i) {
      *response.add_tasks() = TaskIn(v1::TASK_STATE_QUEUED);
    }
    return grpc::Status::OK;
  };
  v1::BatchCreateTasksRequest request;
  request.add_requests()->set_request_id("mine");
  request.add_requests();
  const absl::StatusOr<v1::BatchCreateTasksResponse> response = client_.BatchCreate(request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_THAT(response->tasks(), SizeIs(2));
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_EQ(sent[0].requests(0).request_id(), "mine");
  EXPECT_THAT(sent[0].requests(1).request_id(), SizeIs(36));
  EXPECT_EQ(sent[0].SerializeAsString(), sent[1].SerializeAsString());
}

TEST_F(TaskCallsTest, ListGoesOnUntilThereIsNoTokenOrTheCallerHasEnough) {
  std::vector<std::string> tokens;
  fake_.list = [&](auto&, const v1::ListTasksRequest& request, v1::ListTasksResponse& response) {
    EXPECT_EQ(request.filter(), "state = FAILED");
    tokens.push_back(request.page_token());
    // A page may be empty and not be the last.
    if (request.page_token() != "2") *response.add_tasks() = TaskIn(v1::TASK_STATE_FAILED);
    if (request.page_token() != "3") {
      response.set_next_page_token(request.page_token().empty() ? "2" : "3");
    }
    return grpc::Status::OK;
  };
  v1::ListTasksRequest request;
  request.set_parent("queues/default");
  request.set_filter("state = FAILED");
  int count = 0;
  const auto take = [&](const v1::Task&) { return ++count < 100; };
  ASSERT_TRUE(client_.List(request, take).ok());
  EXPECT_EQ(count, 2);
  EXPECT_THAT(tokens, ElementsAre("", "2", "3"));
  tokens.clear();
  ASSERT_TRUE(client_.List(request, [](const v1::Task&) { return false; }).ok());
  EXPECT_THAT(tokens, ElementsAre(""));
  EXPECT_EQ(client_.ListPage(request)->next_page_token(), "2");
}

TEST_F(TaskCallsTest, ARetryWhoseAnswerWasLostCountsWhenTheTaskIsBack) {
  int calls = 0;
  fake_.retry = [&](auto&, const v1::RetryTaskRequest& request, v1::RetryTaskResponse&) {
    EXPECT_EQ(request.name(), kName);
    if (++calls == 1) return Unavailable();
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "the task has not ended");
  };
  v1::TaskState state = v1::TASK_STATE_QUEUED;
  fake_.get = [&](auto&, const v1::GetTaskRequest& request, v1::GetTaskResponse& response) {
    EXPECT_EQ(request.view(), v1::TASK_VIEW_BASIC);
    *response.mutable_task() = TaskIn(state);
    return grpc::Status::OK;
  };
  const absl::StatusOr<v1::Task> task = client_.Retry(kName);
  ASSERT_TRUE(task.ok()) << task.status();
  EXPECT_EQ(task->state(), v1::TASK_STATE_QUEUED);
  // Without a lost answer the error is the caller's.
  EXPECT_TRUE(absl::IsFailedPrecondition(client_.Retry(kName).status()));
  calls = 0;
  state = v1::TASK_STATE_SUCCEEDED;
  EXPECT_TRUE(absl::IsFailedPrecondition(client_.Retry(kName).status()));
}

TEST_F(TaskCallsTest, ADeleteWhoseAnswerWasLostCountsWhenTheTaskIsGone) {
  int calls = 0;
  fake_.remove = [&](auto&, const v1::DeleteTaskRequest& request, v1::DeleteTaskResponse&) {
    if (++calls == 1) return grpc::Status::CANCELLED;
    return NotFound(request.name());
  };
  EXPECT_TRUE(client_.Delete(kName).ok());
  EXPECT_TRUE(absl::IsNotFound(client_.Delete(kName)));
}

}  // namespace
}  // namespace errand
