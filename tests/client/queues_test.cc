#include "errand/queues.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "errand/channel.h"
#include "tests/client/fake_server.h"
#include "tests/client/quick_retries.h"

namespace errand {
namespace {

using ::testing::ElementsAre;

class QueuesTest : public ::testing::Test {
 protected:
  FakeServer fake_;
  const Queues queues_{Dial(fake_.address()), QuickRetries()};
};

TEST_F(QueuesTest, ListGoesThroughAllPages) {
  std::vector<std::string> tokens;
  fake_.list_queues = [&](auto&, const v1::ListQueuesRequest& request, v1::ListQueuesResponse& response) {
    tokens.push_back(request.page_token());
    if (tokens.size() == 2) return Unavailable();
    const bool first = request.page_token().empty();
    response.add_queues()->set_name(first ? "queues/a" : "queues/b");
    if (first) response.set_next_page_token("next");
    return grpc::Status::OK;
  };
  std::vector<std::string> names;
  const absl::Status status = queues_.List([&](const v1::Queue& queue) {
    names.push_back(queue.name());
    return true;
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(names, ElementsAre("queues/a", "queues/b"));
  EXPECT_THAT(tokens, ElementsAre("", "next", "next"));
}

TEST_F(QueuesTest, UpdateSendsTheMask) {
  v1::UpdateQueueRequest sent;
  fake_.update_queue = [&](auto&, const v1::UpdateQueueRequest& request, v1::UpdateQueueResponse& response) {
    sent = request;
    *response.mutable_queue() = request.queue();
    response.mutable_queue()->set_etag("new");
    return grpc::Status::OK;
  };
  v1::UpdateQueueRequest request;
  request.mutable_queue()->set_name("queues/q");
  request.mutable_update_mask()->add_paths("weight");
  const absl::StatusOr<v1::Queue> queue = queues_.Update(request);
  ASSERT_TRUE(queue.ok()) << queue.status();
  EXPECT_EQ(queue->etag(), "new");
  EXPECT_THAT(sent.update_mask().paths(), ElementsAre("weight"));
}

TEST_F(QueuesTest, PauseAndResumeAreRepeatedAndReturnTheQueue) {
  int calls = 0;
  fake_.pause_queue = [&](auto&, const v1::PauseQueueRequest& request, v1::PauseQueueResponse& response) {
    EXPECT_EQ(request.name(), "queues/q");
    if (++calls == 1) return grpc::Status::CANCELLED;
    response.mutable_queue()->set_state(v1::QUEUE_STATE_PAUSED);
    return grpc::Status::OK;
  };
  fake_.resume_queue = [](auto&, const v1::ResumeQueueRequest&, v1::ResumeQueueResponse& response) {
    response.mutable_queue()->set_state(v1::QUEUE_STATE_RUNNING);
    return grpc::Status::OK;
  };
  EXPECT_EQ(queues_.Pause("queues/q")->state(), v1::QUEUE_STATE_PAUSED);
  EXPECT_EQ(queues_.Resume("queues/q")->state(), v1::QUEUE_STATE_RUNNING);
  EXPECT_EQ(calls, 2);
}

TEST_F(QueuesTest, AQueueThatALostAnswerHadDeletedIsDeleted) {
  int calls = 0;
  fake_.delete_queue = [&](auto&, const v1::DeleteQueueRequest&, v1::DeleteQueueResponse&) {
    return ++calls == 1 ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "lost")
                        : grpc::Status(grpc::StatusCode::NOT_FOUND, "gone");
  };
  v1::DeleteQueueRequest request;
  request.set_name("queues/q");
  EXPECT_EQ(queues_.Delete(request).value(), 0);
  EXPECT_TRUE(absl::IsNotFound(queues_.Delete(request).status()));
}

TEST_F(QueuesTest, GetPurgeAndStatsAnswer) {
  fake_.get_queue = [](auto&, const v1::GetQueueRequest& request, v1::GetQueueResponse&) {
    return NotFound(request.name());
  };
  fake_.purge_queue = [](auto&, const v1::PurgeQueueRequest&, v1::PurgeQueueResponse& response) {
    response.set_purged_count(7);
    return grpc::Status::OK;
  };
  fake_.queue_stats = [](auto&, const v1::GetQueueStatsRequest&, v1::GetQueueStatsResponse& response) {
    response.mutable_stats()->set_held_by(v1::HELD_BY_PAUSE);
    return grpc::Status::OK;
  };
  EXPECT_TRUE(absl::IsNotFound(queues_.Get("queues/q").status()));
  EXPECT_EQ(*queues_.Purge("queues/q"), 7);
  EXPECT_EQ(queues_.Stats("queues/q")->held_by(), v1::HELD_BY_PAUSE);
}

}  // namespace
}  // namespace errand
