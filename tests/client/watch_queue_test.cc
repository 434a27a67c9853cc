#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "errand/channel.h"
#include "errand/client.h"
#include "tests/client/fake_server.h"
#include "tests/client/quick_retries.h"

// What becomes of the events of a queue, and of those that the server no longer keeps.
namespace errand {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

class WatchQueueTest : public ::testing::Test {
 protected:
  WatchQueueTest() {
    options_.cancellation = &cancellation_;
    options_.on_gap = [this](const Gap& gap) { gaps_.emplace_back(gap.after, gap.lost); };
  }

  static void Send(grpc::ServerWriter<v1::WatchQueueResponse>& writer, int64_t position,
                   std::vector<v1::TaskEvent> events = {}) {
    v1::WatchQueueResponse response;
    response.set_position(position);
    for (v1::TaskEvent& event : events) *response.add_events() = std::move(event);
    writer.Write(response);
  }

  // Cancels when it has seen the event `last`.
  absl::Status Watch(int64_t after, int64_t last) {
    return client_.WatchQueue(
        "queues/q", after,
        [&](const auto& events, int64_t position) {
          for (const v1::TaskEvent& event : events) {
            seen_.push_back(event.sequence());
            if (event.sequence() == last) cancellation_.Cancel();
          }
          position_ = position;
        },
        options_);
  }

  FakeServer fake_;
  Client client_{Dial(fake_.address()), QuickRetries()};
  Cancellation cancellation_;
  CallOptions options_;
  std::vector<int64_t> seen_;
  std::vector<std::pair<int64_t, int64_t>> gaps_;
  int64_t position_ = 0;
};

TEST_F(WatchQueueTest, ALostStreamGoesOnAfterTheLastPosition) {
  std::vector<int64_t> afters;
  fake_.watch_queue = [&](grpc::ServerContext& context, const v1::WatchQueueRequest& request, auto& writer) {
    EXPECT_EQ(request.parent(), "queues/q");
    afters.push_back(request.after_position());
    if (afters.size() == 1) return Unavailable();
    if (afters.size() == 2) {
      Send(writer, 40);
      Send(writer, 42, {LogEvent(1, "a"), LogEvent(2, "b")});
      return grpc::Status::CANCELLED;
    }
    Send(writer, 42);
    Send(writer, 43, {LogEvent(3, "c")});
    return BlockUntilCancelled(context);
  };
  const absl::Status status = Watch(0, 3);
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_THAT(afters, ElementsAre(0, 0, 42));
  EXPECT_THAT(seen_, ElementsAre(1, 2, 3));
  EXPECT_THAT(gaps_, IsEmpty());
  EXPECT_EQ(position_, 43);
}

TEST_F(WatchQueueTest, AReaderThatFellBehindGoesOnWithTheOldestEventAndIsToldOfTheGap) {
  std::vector<int64_t> afters;
  fake_.watch_queue = [&](grpc::ServerContext& context, const v1::WatchQueueRequest& request, auto& writer) {
    afters.push_back(request.after_position());
    if (afters.size() == 1) return OutOfRange("position", 31, 99);
    Send(writer, 99, {LogEvent(1, "a")});
    return BlockUntilCancelled(context);
  };
  EXPECT_TRUE(absl::IsCancelled(Watch(10, 1)));
  EXPECT_THAT(afters, ElementsAre(10, 30));
  EXPECT_THAT(gaps_, ElementsAre(Pair(10, 20)));
}

TEST_F(WatchQueueTest, AServerThatStartedAnewIsFollowedFromItsOldestEvent) {
  std::vector<int64_t> afters;
  fake_.watch_queue = [&](grpc::ServerContext& context, const v1::WatchQueueRequest& request, auto& writer) {
    afters.push_back(request.after_position());
    if (afters.size() == 1) return OutOfRange("position", 3, 5);
    Send(writer, 5, {LogEvent(1, "a")});
    return BlockUntilCancelled(context);
  };
  EXPECT_TRUE(absl::IsCancelled(Watch(1000, 1)));
  EXPECT_THAT(afters, ElementsAre(1000, 2));
  EXPECT_THAT(gaps_, ElementsAre(Pair(1000, 0)));
}

// Positions of another life may be less than those of this one, too.
TEST_F(WatchQueueTest, AServerThatDoesNotKnowThePositionIsFollowedFromItsOldestEvent) {
  std::vector<int64_t> afters;
  fake_.watch_queue = [&](grpc::ServerContext& context, const v1::WatchQueueRequest& request, auto& writer) {
    afters.push_back(request.after_position());
    if (afters.size() == 1) return OutOfRange("position", 3'000, 3'005, "POSITION_UNKNOWN");
    Send(writer, 3'005, {LogEvent(1, "a")});
    return BlockUntilCancelled(context);
  };
  EXPECT_TRUE(absl::IsCancelled(Watch(1000, 1)));
  EXPECT_THAT(afters, ElementsAre(1000, 2'999));
  EXPECT_THAT(gaps_, ElementsAre(Pair(1000, 0)));
}

TEST_F(WatchQueueTest, WithoutOnGapAGapIsAnError) {
  fake_.watch_queue = [](auto&, const v1::WatchQueueRequest&, auto&) {
    return OutOfRange("position", 31, 99);
  };
  fake_.watch = [](auto&, const v1::WatchTaskRequest&, auto&) { return OutOfRange("sequence", 31, 99); };
  options_.on_gap = nullptr;
  EXPECT_TRUE(absl::IsOutOfRange(Watch(10, 1)));
  EXPECT_TRUE(absl::IsOutOfRange(client_.Watch(kName, 10, [](const v1::TaskEvent&) {}).status()));
}

TEST_F(WatchQueueTest, AnErrorOfTheServerEndsTheWatch) {
  fake_.watch_queue = [](auto&, const v1::WatchQueueRequest&, auto&) { return NotFound("queues/q"); };
  EXPECT_TRUE(absl::IsNotFound(Watch(0, 1)));
}

TEST_F(WatchQueueTest, ATasksWatchGoesOnWithTheOldestEventThatIsKept) {
  std::vector<int64_t> afters;
  fake_.watch = [&](auto&, const v1::WatchTaskRequest& request, auto& writer) {
    afters.push_back(request.after_sequence());
    if (afters.size() == 1) return OutOfRange("sequence", 15, 20);
    errand::Send(writer, {ResultEvent(15, "1")});
    return grpc::Status::OK;
  };
  const absl::StatusOr<v1::StateChange> end = client_.Watch(
      kName, 3, [&](const v1::TaskEvent& event) { seen_.push_back(event.sequence()); }, options_);
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_THAT(afters, ElementsAre(3, 14));
  EXPECT_THAT(seen_, ElementsAre(15));
  EXPECT_THAT(gaps_, ElementsAre(Pair(3, 11)));
}

TEST_F(WatchQueueTest, ASequenceAheadOfTheTaskIsAnErrorAndNoGap) {
  fake_.watch = [](auto&, const v1::WatchTaskRequest&, auto&) { return OutOfRange("sequence", 1, 5); };
  const absl::Status status = client_
                                  .Watch(
                                      kName, 99, [](const v1::TaskEvent&) {}, options_)
                                  .status();
  EXPECT_TRUE(absl::IsOutOfRange(status)) << status;
  EXPECT_THAT(gaps_, IsEmpty());
}

}  // namespace
}  // namespace errand
