#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/store/conformance/store_fixture.h"

namespace errand::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_P(StoreConformance, EventsAreNumberedWithoutGapsThroughATasksLife) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  ASSERT_TRUE(fixture.Finish(fixture.Claim()[0].lease, Verdict::kRetry, absl::Seconds(5)).ok());
  fixture.Advance(absl::Seconds(5));
  const auto claimed = fixture.Claim();
  ASSERT_EQ(claimed.size(), 1u);
  EXPECT_EQ(claimed[0].attempt, 2);
  ASSERT_TRUE(fixture.Finish(claimed[0].lease, Verdict::kSucceeded).ok());
  EXPECT_THAT(fixture.States("a"),
              ElementsAre(v1::TASK_STATE_QUEUED, v1::TASK_STATE_RUNNING, v1::TASK_STATE_SCHEDULED,
                          v1::TASK_STATE_QUEUED, v1::TASK_STATE_RUNNING, v1::TASK_STATE_SUCCEEDED));
  const EventBatch batch = *fixture.Events("a").value();
  EXPECT_TRUE(batch.ended);
  for (size_t i = 0; i < batch.events.size(); ++i) EXPECT_EQ(batch.events[i]->sequence(), int64_t(i) + 1);
}

TEST_P(StoreConformance, AnEndThatWasRetriedIsToldAsItWas) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  std::vector<FinishRequest> requests(1);
  requests[0].lease = fixture.Claim().at(0).lease;
  requests[0].verdict = Verdict::kFailed;
  requests[0].error.set_code(2);
  requests[0].result.set_data("first");
  requests[0].usage.mutable_wall_time()->set_seconds(1);
  requests[0].usage.mutable_wall_time()->set_nanos(5);
  requests[0].usage.set_output_bytes(7);
  const auto finished = StoreFixture::Await<std::vector<absl::Status>>(
      [&](auto done) { fixture.store().Finish(std::move(requests), std::move(done)); });
  ASSERT_TRUE(finished.at(0).ok()) << finished.at(0);
  ASSERT_TRUE(fixture.Retry("a").ok());
  ASSERT_EQ(fixture.RunOne(), "a");

  const auto expect_both_ends = [&fixture] {
    const EventBatch batch = fixture.Events("a").value().value();
    ASSERT_EQ(batch.events.size(), 6u);
    const v1::StateChange& first = batch.events[2]->state();
    EXPECT_EQ(first.state(), v1::TASK_STATE_FAILED);
    EXPECT_EQ(first.error().code(), 2);
    EXPECT_EQ(first.result().data(), "first");
    EXPECT_EQ(first.usage().wall_time().seconds(), 1);
    EXPECT_EQ(first.usage().wall_time().nanos(), 5);
    EXPECT_FALSE(first.usage().has_cpu_time());
    EXPECT_EQ(first.usage().output_bytes(), 7);
    const v1::StateChange& second = batch.events[5]->state();
    EXPECT_EQ(second.state(), v1::TASK_STATE_SUCCEEDED);
    EXPECT_FALSE(second.has_error());
    EXPECT_FALSE(second.has_result());
  };
  expect_both_ends();
  if (!fixture.survives()) return;
  fixture.Reopen();
  expect_both_ends();
}

TEST_P(StoreConformance, AWatchWaitsForTheNextEventAndResumesAfterTheLastOneSeen) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  std::vector<ClaimedTask> claimed;
  const auto batch = StoreFixture::Await<absl::StatusOr<EventBatch>>([&](auto done) {
    fixture.store().Watch({"queues/default/tasks/a", 1, 100}, std::move(done));
    claimed = fixture.Claim();
  });
  ASSERT_EQ(batch->events.size(), 1u);
  EXPECT_EQ(batch->events[0]->sequence(), 2);
  EXPECT_EQ(fixture.Events("a", 1)->value().events.size(), 1u);
  EXPECT_FALSE(fixture.Events("a", 2).has_value()) << "nothing has happened since";
}

TEST_P(StoreConformance, AWatchOfAnEndedTaskWhoseLastEventWasSeenEnds) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  ASSERT_TRUE(fixture.Cancel("a").ok());
  const auto batch = fixture.Events("a", 2);
  ASSERT_TRUE(batch.has_value());
  EXPECT_TRUE((*batch)->ended);
  EXPECT_TRUE((*batch)->events.empty());
}

TEST_P(StoreConformance, ASequenceThatIsNotKeptIsOutOfRangeAndSaysWhereToResume) {
  StoreOptions options;
  options.max_task_events = 3;
  StoreFixture fixture(GetParam(), options);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  const auto claimed = fixture.Claim();
  for (int i = 0; i < 5; ++i) {
    fixture.Log(claimed[0].lease, absl::StrCat(i));
    const EventBatch kept = **fixture.Events("a", 0);
    EXPECT_EQ(kept.events.size(), 3u);
    EXPECT_EQ(kept.events.front()->sequence(), i + 1);
  }
  const absl::Status status = fixture.Events("a", 2)->status();
  EXPECT_TRUE(absl::IsOutOfRange(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("5 to 7"));
  EXPECT_TRUE(absl::IsOutOfRange(fixture.Events("a", 8)->status())) << "ahead of the task";
  const EventBatch all = **fixture.Events("a", 0);
  EXPECT_EQ(all.events.front()->sequence(), 5) << "from the start means from the first that is kept";
  EXPECT_TRUE(fixture.Events("a", 4)->ok());
}

TEST_P(StoreConformance, ProgressThatNobodyHasReadIsReplacedAndStatesNeverAre) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  const auto claimed = fixture.Claim();
  fixture.Progress(claimed[0].lease, 1);
  fixture.Progress(claimed[0].lease, 2);
  ASSERT_EQ(fixture.Events("a", 2)->value().events.size(), 1u);
  EXPECT_EQ(fixture.Events("a", 2)->value().events[0]->progress().completed(), 2);
  fixture.Progress(claimed[0].lease, 3);
  const EventBatch batch = **fixture.Events("a", 2);
  ASSERT_EQ(batch.events.size(), 2u) << "what was read stays";
  EXPECT_EQ(batch.events[1]->sequence(), 4);
  EXPECT_EQ(fixture.Get("a")->progress().completed(), 3);
}

TEST_P(StoreConformance, AQueuesEventsComeInOrderAndResumeAfterAPosition) {
  StoreFixture fixture(GetParam());
  const int64_t start = (**fixture.QueueEvents("queues/default", 0)).position;
  EXPECT_FALSE(fixture.QueueEvents("queues/default", start).has_value());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("b")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("x", "queues/other")).ok());
  ASSERT_EQ(fixture.RunOne(), "a");
  std::vector<std::string> seen;
  int64_t position = start;
  for (;;) {
    const auto batch = fixture.QueueEvents("queues/default", position, 2);
    if (!batch.has_value()) break;
    for (const auto& event : (**batch).events) {
      seen.push_back(absl::StrCat(event->task().substr(event->task().rfind('/') + 1), event->sequence()));
    }
    position = (**batch).position;
  }
  EXPECT_THAT(seen, ElementsAre("a1", "b1", "a2", "a3"));
}

TEST_P(StoreConformance, AWatchOfAQueueWaitsForTheNextEvent) {
  StoreFixture fixture(GetParam());
  const int64_t start = (**fixture.QueueEvents("queues/new", 0)).position;
  const auto batch = StoreFixture::Await<absl::StatusOr<QueueEventBatch>>([&](auto done) {
    fixture.store().WatchQueue({"queues/new", start, 10}, std::move(done));
    EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("a", "queues/new")).ok());
  });
  ASSERT_EQ(batch->events.size(), 1u);
  EXPECT_EQ(batch->events[0]->task(), "queues/new/tasks/a");
}

TEST_P(StoreConformance, APositionThatIsNotKeptIsOutOfRangeAndSaysWhereToResume) {
  StoreOptions options;
  options.max_queue_events = 4;
  StoreFixture fixture(GetParam(), options);
  const int64_t start = (**fixture.QueueEvents("queues/default", 0)).position;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(absl::StrCat("t", i))).ok());
  const absl::Status status = fixture.QueueEvents("queues/default", start)->status();
  EXPECT_TRUE(absl::IsOutOfRange(status)) << status;
  EXPECT_TRUE(absl::IsOutOfRange(fixture.QueueEvents("queues/default", start + 99)->status()));
  EXPECT_EQ((**fixture.QueueEvents("queues/default", start + 1)).events.size(), 4u);
}

TEST_P(StoreConformance, ProgressThatAQueuesWatcherHasReadStays) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  int64_t position = (**fixture.QueueEvents("queues/default", 0)).position;
  const auto claimed = fixture.Claim();
  fixture.Progress(claimed[0].lease, 1);
  fixture.Progress(claimed[0].lease, 2);
  QueueEventBatch batch = **fixture.QueueEvents("queues/default", position);
  ASSERT_EQ(batch.events.size(), 2u) << "RUNNING and the latest progress";
  EXPECT_EQ(batch.events[1]->progress().completed(), 2);
  EXPECT_EQ(batch.events[1]->sequence(), 3);
  fixture.Progress(claimed[0].lease, 3);
  batch = **fixture.QueueEvents("queues/default", batch.position);
  ASSERT_EQ(batch.events.size(), 1u);
  EXPECT_EQ(batch.events[0]->sequence(), 4);
}

TEST_P(StoreConformance, AWatchOfATaskThatIsDeletedEndsWithNotFound) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  const auto batch = StoreFixture::Await<absl::StatusOr<EventBatch>>([&](auto done) {
    fixture.store().Watch({"queues/default/tasks/a", 1, 10}, std::move(done));
    EXPECT_EQ(*fixture.Purge("queues/default"), 1);
  });
  EXPECT_TRUE(absl::IsNotFound(batch.status()));
}
}  // namespace
}  // namespace errand::store
