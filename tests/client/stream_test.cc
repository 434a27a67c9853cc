#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "errand/channel.h"
#include "errand/client.h"
#include "tests/client/fake_server.h"
#include "tests/client/quick_retries.h"

// Run and Watch over streams that break: the caller sees every event exactly once.
namespace errand {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class StreamTest : public ::testing::Test {
 protected:
  absl::StatusOr<v1::StateChange> Run(const CallOptions& options = {}) {
    return client_.Run(
        {}, [this](const v1::TaskEvent& event) { seen_.push_back(event.sequence()); }, options);
  }
  absl::StatusOr<v1::StateChange> Watch(int64_t after, const CallOptions& options = {}) {
    return client_.Watch(
        kName, after, [this](const v1::TaskEvent& event) { seen_.push_back(event.sequence()); }, options);
  }

  FakeServer fake_;
  Client client_{Dial(fake_.address()), QuickRetries()};
  std::vector<int64_t> seen_;
};

TEST_F(StreamTest, RunReturnsTheLastStateChange) {
  fake_.run = [](auto&, const v1::RunTaskRequest& request, auto& writer) {
    EXPECT_FALSE(request.create().request_id().empty());
    Send(writer, {StateEvent(1, v1::TASK_STATE_QUEUED), StateEvent(2, v1::TASK_STATE_RUNNING)});
    Send(writer, {ResultEvent(3, "42")});
    return grpc::Status::OK;
  };
  const absl::StatusOr<v1::StateChange> end = Run();
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(end->result().data(), "42");
  EXPECT_THAT(seen_, ElementsAre(1, 2, 3));
}

TEST_F(StreamTest, RunThatLostItsStreamResumesWithWatchAfterTheLastSequence) {
  fake_.run = [](auto&, const v1::RunTaskRequest&, auto& writer) {
    Send(writer, {StateEvent(1, v1::TASK_STATE_QUEUED), StateEvent(2, v1::TASK_STATE_RUNNING)});
    return Unavailable();
  };
  std::vector<int64_t> afters;
  fake_.watch = [&](auto&, const v1::WatchTaskRequest& request, auto& writer) {
    EXPECT_EQ(request.name(), kName);
    afters.push_back(request.after_sequence());
    if (afters.size() == 1) {
      Send(writer, {LogEvent(3, "still here")});
      return grpc::Status::CANCELLED;
    }
    Send(writer, {ResultEvent(4, "1")});
    return grpc::Status::OK;
  };
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(afters, ElementsAre(2, 3));
  EXPECT_THAT(seen_, ElementsAre(1, 2, 3, 4));
}

TEST_F(StreamTest, RunThatSawNoEventIsRepeatedWithTheSameRequestId) {
  std::vector<std::string> ids;
  fake_.run = [&](auto&, const v1::RunTaskRequest& request, auto& writer) {
    ids.push_back(request.create().request_id());
    if (ids.size() < 3) return Unavailable();
    Send(writer, {StateEvent(1, v1::TASK_STATE_QUEUED), ResultEvent(2, "1")});
    return grpc::Status::OK;
  };
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(ids, ElementsAre(ids[0], ids[0], ids[0]));
  EXPECT_THAT(seen_, ElementsAre(1, 2));
}

TEST_F(StreamTest, EventsThatComeTwiceAreReportedOnce) {
  int calls = 0;
  fake_.watch = [&](auto&, const v1::WatchTaskRequest&, auto& writer) {
    Send(writer, {StateEvent(1, v1::TASK_STATE_QUEUED), StateEvent(2, v1::TASK_STATE_RUNNING)});
    if (++calls == 1) return Unavailable();
    Send(writer, {ResultEvent(3, "1")});
    return grpc::Status::OK;
  };
  ASSERT_TRUE(Watch(0).ok());
  EXPECT_THAT(seen_, ElementsAre(1, 2, 3));
}

TEST_F(StreamTest, AStreamThatFailsBehindTheLastEventHasDoneItsWork) {
  fake_.run = [](auto&, const v1::RunTaskRequest&, auto& writer) {
    Send(writer, {StateEvent(1, v1::TASK_STATE_QUEUED), ErrorEvent(2, "boom")});
    return Unavailable();
  };
  const absl::StatusOr<v1::StateChange> end = Run();
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->state(), v1::TASK_STATE_FAILED);
  EXPECT_EQ(end->error().message(), "boom");
}

TEST_F(StreamTest, AStreamThatEndsWithoutTheTasksEndIsResumed) {
  fake_.run = [](auto&, const v1::RunTaskRequest&, auto& writer) {
    Send(writer, {StateEvent(1, v1::TASK_STATE_QUEUED)});
    return grpc::Status::OK;
  };
  fake_.watch = [](auto&, const v1::WatchTaskRequest&, auto& writer) {
    Send(writer, {ResultEvent(2, "1")});
    return grpc::Status::OK;
  };
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(seen_, ElementsAre(1, 2));
}

TEST_F(StreamTest, WatchAfterTheLastEventLooksTheEndUp) {
  fake_.watch = [](auto&, const v1::WatchTaskRequest& request, auto&) {
    EXPECT_EQ(request.after_sequence(), 7);
    return grpc::Status::OK;
  };
  fake_.get = [](auto&, const v1::GetTaskRequest&, v1::GetTaskResponse& response) {
    *response.mutable_task() = TaskIn(v1::TASK_STATE_CANCELLED);
    response.mutable_task()->mutable_error()->set_message("by the caller");
    return grpc::Status::OK;
  };
  const absl::StatusOr<v1::StateChange> end = Watch(7);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->state(), v1::TASK_STATE_CANCELLED);
  EXPECT_EQ(end->error().message(), "by the caller");
  EXPECT_THAT(seen_, IsEmpty());
}

TEST_F(StreamTest, ErrorsOfTheServerEndTheWatch) {
  fake_.watch = [](auto&, const v1::WatchTaskRequest& request, auto&) { return NotFound(request.name()); };
  EXPECT_TRUE(absl::IsNotFound(Watch(0).status()));
}

TEST_F(StreamTest, TheCallersTimeoutEndsTheWatchAndKeepsWhatWasSeen) {
  fake_.watch = [](grpc::ServerContext& context, const v1::WatchTaskRequest&, auto& writer) {
    Send(writer, {StateEvent(1, v1::TASK_STATE_QUEUED)});
    return BlockUntilCancelled(context);
  };
  CallOptions options;
  options.timeout = absl::Seconds(1);
  const absl::Status status = Watch(0, options).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_THAT(seen_, ElementsAre(1));
}

TEST_F(StreamTest, TheCallbackMayCancel) {
  fake_.run = [](grpc::ServerContext& context, const v1::RunTaskRequest&, auto& writer) {
    Send(writer, {StateEvent(1, v1::TASK_STATE_QUEUED)});
    return BlockUntilCancelled(context);
  };
  Cancellation cancellation;
  CallOptions options;
  options.cancellation = &cancellation;
  const absl::Status status = client_
                                  .Run(
                                      {}, [&](const v1::TaskEvent&) { cancellation.Cancel(); }, options)
                                  .status();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

TEST_F(StreamTest, ProgressOfTheStreamRestartsTheClockOfGivingUp) {
  RetryOptions retry = QuickRetries();
  retry.give_up_after = absl::Milliseconds(100);
  const Client client(Dial(fake_.address()), retry);
  // 60 streams of one event each, each cut: far more than would fit into one row of failures.
  fake_.watch = [](auto&, const v1::WatchTaskRequest& request, auto& writer) {
    const int64_t next = request.after_sequence() + 1;
    if (next == 60) {
      Send(writer, {ResultEvent(next, "1")});
      return grpc::Status::OK;
    }
    Send(writer, {LogEvent(next, "line")});
    return Unavailable(absl::Milliseconds(5));
  };
  int64_t last = 0;
  const auto end = client.Watch(kName, 0, [&](const v1::TaskEvent& event) {
    EXPECT_EQ(event.sequence(), last + 1);
    last = event.sequence();
  });
  EXPECT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(last, 60);
}

}  // namespace
}  // namespace errand
