#include "errand/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "errand/channel.h"
#include "errand/error.h"
#include "google/rpc/error_details.pb.h"
#include "tests/client/fake_server.h"
#include "tests/client/quick_retries.h"

namespace errand {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::SizeIs;

CallOptions Within(absl::Duration timeout) {
  CallOptions options;
  options.timeout = timeout;
  return options;
}

class ClientTest : public ::testing::Test {
 protected:
  FakeServer fake_;
  Client client_{Dial(fake_.address()), QuickRetries()};
};

TEST_F(ClientTest, CreateReturnsTheTaskAndSendsANewRequestId) {
  std::vector<std::string> ids;
  fake_.create = [&](auto&, const v1::CreateTaskRequest& request, v1::CreateTaskResponse& response) {
    ids.push_back(request.request_id());
    *response.mutable_task() = TaskIn(v1::TASK_STATE_QUEUED);
    return grpc::Status::OK;
  };
  ASSERT_TRUE(client_.Create({}).ok());
  const absl::StatusOr<v1::Task> task = client_.Create({});
  ASSERT_TRUE(task.ok()) << task.status();
  EXPECT_EQ(task->name(), kName);
  ASSERT_THAT(ids, SizeIs(2));
  EXPECT_NE(ids[0], ids[1]);
  EXPECT_THAT(ids, Each(MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")));
}

TEST_F(ClientTest, UnavailableAndCancelledAreRepeatedWithTheSameRequestId) {
  std::vector<std::string> ids;
  fake_.create = [&](auto&, const v1::CreateTaskRequest& request, v1::CreateTaskResponse&) {
    ids.push_back(request.request_id());
    if (ids.size() == 1) return Unavailable();
    if (ids.size() == 2) return grpc::Status::CANCELLED;
    return grpc::Status::OK;
  };
  ASSERT_TRUE(client_.Create({}).ok());
  ASSERT_THAT(ids, SizeIs(3));
  EXPECT_THAT(ids, Each(ids[0]));
}

TEST_F(ClientTest, TheCallersRequestIdIsKept) {
  std::string id;
  fake_.create = [&](auto&, const v1::CreateTaskRequest& request, v1::CreateTaskResponse&) {
    id = request.request_id();
    return grpc::Status::OK;
  };
  v1::CreateTaskRequest request;
  request.set_request_id("mine");
  ASSERT_TRUE(client_.Create(request).ok());
  EXPECT_EQ(id, "mine");
}

TEST_F(ClientTest, RetryInfoIsHonoured) {
  std::vector<absl::Time> calls;
  fake_.get = [&](auto&, const v1::GetTaskRequest&, v1::GetTaskResponse&) {
    calls.push_back(absl::Now());
    return calls.size() == 1 ? Unavailable(absl::Milliseconds(200)) : grpc::Status::OK;
  };
  ASSERT_TRUE(client_.Get(kName).ok());
  ASSERT_THAT(calls, SizeIs(2));
  EXPECT_GE(calls[1] - calls[0], absl::Milliseconds(200));
}

TEST_F(ClientTest, ARetryThatWouldPassTheDeadlineIsNotMade) {
  std::atomic<int> calls = 0;
  fake_.get = [&](auto&, const v1::GetTaskRequest&, v1::GetTaskResponse&) {
    ++calls;
    return Unavailable(absl::Hours(1));
  };
  const absl::StatusOr<v1::Task> task = client_.Get(kName, Within(absl::Minutes(1)));
  EXPECT_TRUE(absl::IsUnavailable(task.status())) << task.status();
  EXPECT_EQ(calls, 1);
}

TEST_F(ClientTest, GivesUpAfterALongRowOfFailures) {
  RetryOptions options = QuickRetries();
  options.give_up_after = absl::Milliseconds(50);
  int waits = 0;
  options.on_retry = [&](const absl::Status& error, absl::Duration) {
    EXPECT_TRUE(absl::IsUnavailable(error)) << error;
    ++waits;
  };
  const Client client(Dial(fake_.address()), options);
  fake_.get = [](auto&, const v1::GetTaskRequest&, v1::GetTaskResponse&) { return grpc::Status::CANCELLED; };
  const absl::StatusOr<v1::Task> task = client.Get(kName);
  // CANCELLED would say that the caller did it.
  EXPECT_TRUE(absl::IsUnavailable(task.status())) << task.status();
  EXPECT_GT(waits, 1);
}

TEST_F(ClientTest, OtherErrorsComeAtOnceWithTheirDetails) {
  std::atomic<int> calls = 0;
  fake_.create = [&](auto&, const v1::CreateTaskRequest&, v1::CreateTaskResponse&) {
    ++calls;
    return InvalidField("task.lua.source", "must not be empty");
  };
  const absl::Status status = client_.Create({}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_EQ(calls, 1);
  const auto bad = FindDetail<google::rpc::BadRequest>(status);
  ASSERT_TRUE(bad.has_value());
  EXPECT_EQ(bad->field_violations(0).field(), "task.lua.source");
  const auto info = FindDetail<google::rpc::ErrorInfo>(status);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->reason(), "INVALID_FIELD");
  EXPECT_FALSE(FindDetail<google::rpc::RetryInfo>(status).has_value());
}

TEST_F(ClientTest, ASlowServerMeetsTheCallersTimeout) {
  fake_.get = [](grpc::ServerContext& context, const v1::GetTaskRequest&, v1::GetTaskResponse&) {
    return BlockUntilCancelled(context);
  };
  const absl::StatusOr<v1::Task> task = client_.Get(kName, Within(absl::Milliseconds(50)));
  EXPECT_TRUE(absl::IsDeadlineExceeded(task.status())) << task.status();
}

TEST_F(ClientTest, ATimeoutOfZeroMakesNoCall) {
  std::atomic<int> calls = 0;
  fake_.get = [&](auto&, const v1::GetTaskRequest&, v1::GetTaskResponse&) {
    ++calls;
    return grpc::Status::OK;
  };
  EXPECT_TRUE(absl::IsDeadlineExceeded(client_.Get(kName, Within(absl::ZeroDuration())).status()));
  EXPECT_EQ(calls, 0);
}

TEST_F(ClientTest, CancelOfAnotherThreadEndsACall) {
  absl::Notification called;
  fake_.get = [&](grpc::ServerContext& context, const v1::GetTaskRequest&, v1::GetTaskResponse&) {
    called.Notify();
    return BlockUntilCancelled(context);
  };
  Cancellation cancellation;
  CallOptions options;
  options.cancellation = &cancellation;
  std::thread other([&] {
    called.WaitForNotification();
    cancellation.Cancel();
  });
  const absl::Status status = client_.Get(kName, options).status();
  other.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  // Later calls end as well.
  EXPECT_TRUE(absl::IsCancelled(client_.Get(kName, options).status()));
}

TEST_F(ClientTest, CancelEndsTheWaitBeforeARetry) {
  Cancellation cancellation;
  RetryOptions retry = QuickRetries();
  retry.give_up_after = absl::Hours(10);
  retry.on_retry = [&](const absl::Status&, absl::Duration wait) {
    EXPECT_GE(wait, absl::Hours(1));
    cancellation.Cancel();
  };
  const Client client(Dial(fake_.address()), retry);
  fake_.get = [](auto&, const v1::GetTaskRequest&, v1::GetTaskResponse&) {
    return Unavailable(absl::Hours(1));
  };
  CallOptions options;
  options.cancellation = &cancellation;
  EXPECT_TRUE(absl::IsCancelled(client.Get(kName, options).status()));
}

TEST_F(ClientTest, WaitPollsUntilTheTaskHasEnded) {
  std::vector<int64_t> timeouts;
  fake_.wait = [&](auto&, const v1::WaitTaskRequest& request, v1::WaitTaskResponse& response) {
    timeouts.push_back(request.timeout().seconds());
    if (timeouts.size() == 1) return Unavailable();
    const bool ended = timeouts.size() == 3;
    *response.mutable_task() = TaskIn(ended ? v1::TASK_STATE_FAILED : v1::TASK_STATE_RUNNING);
    return grpc::Status::OK;
  };
  const absl::StatusOr<v1::Task> task = client_.Wait(kName);
  ASSERT_TRUE(task.ok()) << task.status();
  EXPECT_EQ(task->state(), v1::TASK_STATE_FAILED);
  EXPECT_THAT(timeouts, ElementsAre(60, 60, 60));
}

TEST_F(ClientTest, WaitEndsWithTheCallersTimeoutAndNamesTheTask) {
  fake_.wait = [](grpc::ServerContext& context, const v1::WaitTaskRequest& request, v1::WaitTaskResponse&) {
    EXPECT_EQ(request.timeout().seconds(), 0);
    return BlockUntilCancelled(context);
  };
  const absl::Status status = client_.Wait(kName, Within(absl::Milliseconds(60))).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(kName));
}

TEST_F(ClientTest, AServerThatAnswersWaitEarlyStillMeetsTheTimeout) {
  std::atomic<int> calls = 0;
  fake_.wait = [&](auto&, const v1::WaitTaskRequest&, v1::WaitTaskResponse& response) {
    ++calls;
    *response.mutable_task() = TaskIn(v1::TASK_STATE_RUNNING);
    return grpc::Status::OK;
  };
  const absl::Status status = client_.Wait(kName, Within(absl::Milliseconds(200))).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_LE(calls, 3);
}

TEST_F(ClientTest, CancelReturnsTheTask) {
  fake_.cancel = [](auto&, const v1::CancelTaskRequest& request, v1::CancelTaskResponse& response) {
    EXPECT_EQ(request.name(), kName);
    *response.mutable_task() = TaskIn(v1::TASK_STATE_CANCELLED);
    return grpc::Status::OK;
  };
  const absl::StatusOr<v1::Task> task = client_.Cancel(kName);
  ASSERT_TRUE(task.ok()) << task.status();
  EXPECT_EQ(task->state(), v1::TASK_STATE_CANCELLED);
}

TEST_F(ClientTest, HealthIsAskedOnce) {
  using grpc::health::v1::HealthCheckResponse;
  std::atomic<int> calls = 0;
  fake_.health = [&](auto&, const grpc::health::v1::HealthCheckRequest& request,
                     HealthCheckResponse& response) {
    ++calls;
    if (request.service() == "down") return Unavailable();
    response.set_status(request.service().empty() ? HealthCheckResponse::SERVING
                                                  : HealthCheckResponse::NOT_SERVING);
    return grpc::Status::OK;
  };
  EXPECT_TRUE(*client_.IsServing());
  EXPECT_FALSE(*client_.IsServing("errand.v1.Tasks"));
  EXPECT_TRUE(absl::IsUnavailable(client_.IsServing("down").status()));
  EXPECT_EQ(calls, 3);
}

TEST_F(ClientTest, ManyThreadsMayShareAClient) {
  std::atomic<int> calls = 0;
  fake_.create = [&](auto&, const v1::CreateTaskRequest&, v1::CreateTaskResponse&) {
    return ++calls % 3 == 0 ? Unavailable() : grpc::Status::OK;
  };
  std::vector<std::thread> threads;
  std::atomic<int> created = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 10; ++j) created += client_.Create({}).ok() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(created, 40);
}

TEST(ChannelTest, TheSchemeIsTolerated) {
  FakeServer fake;
  fake.get = [](auto&, const v1::GetTaskRequest&, v1::GetTaskResponse&) { return grpc::Status::OK; };
  EXPECT_TRUE(Client(Dial("grpc://" + fake.address())).Get(kName).ok());
  EXPECT_TRUE(Client(Dial("grpc://" + fake.address() + "/")).Get(kName).ok());
}

TEST(ChannelTest, AServerThatComesBackIsFoundAgain) {
  auto fake = std::make_unique<FakeServer>();
  const std::string address = fake->address();
  const auto ok = [](auto&, const v1::GetTaskRequest&, v1::GetTaskResponse&) { return grpc::Status::OK; };
  fake->get = ok;
  RetryOptions options = QuickRetries();
  options.on_retry = [&](const absl::Status&, absl::Duration) {
    if (fake != nullptr) return;
    fake = std::make_unique<FakeServer>(address);
    fake->get = ok;
  };
  const Client client(Dial(address), options);
  ASSERT_TRUE(client.Get(kName).ok());
  fake.reset();
  const absl::Status status = client.Get(kName).status();
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace errand
