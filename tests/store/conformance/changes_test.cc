#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/store/conformance/store_fixture.h"

namespace errand::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_P(StoreConformance, AWaitingTaskIsCancelledAtOnceAndNeverRuns) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("b")).ok());
  EXPECT_EQ(fixture.Cancel("a")->state(), v1::TASK_STATE_CANCELLED);
  EXPECT_EQ(fixture.Cancel("a")->state(), v1::TASK_STATE_CANCELLED) << "again changes nothing";
  EXPECT_THAT(Ids(fixture.Claim(9)), ElementsAre("b"));
}

TEST_P(StoreConformance, ARunningTaskIsCancelledThroughItsLeaseHolder) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  const auto claimed = fixture.Claim();
  EXPECT_EQ(fixture.Cancel("a")->state(), v1::TASK_STATE_RUNNING);
  ASSERT_EQ(fixture.cancels().size(), 1u);
  EXPECT_EQ(fixture.cancels()[0].token, claimed[0].lease.token);
  ASSERT_TRUE(fixture.Finish(claimed[0].lease, Verdict::kCancelled).ok());
  EXPECT_EQ(fixture.Get("a")->state(), v1::TASK_STATE_CANCELLED);
}

TEST_P(StoreConformance, ACancelledTaskIsNotRetried) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  const auto claimed = fixture.Claim();
  ASSERT_TRUE(fixture.Cancel("a").ok());
  ASSERT_TRUE(fixture.Finish(claimed[0].lease, Verdict::kRetry, absl::Seconds(1)).ok());
  EXPECT_EQ(fixture.Get("a")->state(), v1::TASK_STATE_CANCELLED);
}

TEST_P(StoreConformance, AnEndedTaskCannotBeCancelled) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  ASSERT_TRUE(fixture.Finish(fixture.Claim()[0].lease, Verdict::kSucceeded).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(fixture.Cancel("a").status()));
}

TEST_P(StoreConformance, ACancelWithAnOldEtagIsAborted) {
  StoreFixture fixture(GetParam());
  const std::string etag = fixture.Submit(StoreFixture::Lua("a"))->etag();
  const auto claimed = fixture.Claim();
  EXPECT_TRUE(absl::IsAborted(fixture.Cancel("a", etag).status()));
  EXPECT_TRUE(fixture.Cancel("a", fixture.Get("a")->etag()).ok());
}

TEST_P(StoreConformance, CloseEndsEverythingThatWaitsAndRefusesTheRest) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  const int64_t position = (**fixture.QueueEvents("queues/default", 0)).position;
  const auto claimed = StoreFixture::Await<std::vector<ClaimedTask>>([&](auto claim_done) {
    fixture.store().Claim({task::HandlerKind::kEmail, {}, absl::Seconds(1), &fixture, ""},
                          std::move(claim_done));
    const auto watched = StoreFixture::Await<absl::StatusOr<EventBatch>>([&](auto watch_done) {
      fixture.store().Watch({"queues/default/tasks/a", 1, 1}, std::move(watch_done));
      const auto queue = StoreFixture::Await<absl::StatusOr<QueueEventBatch>>([&](auto queue_done) {
        fixture.store().WatchQueue({"queues/default", position, 1}, std::move(queue_done));
        fixture.store().Close();
      });
      EXPECT_TRUE(absl::IsUnavailable(queue.status()));
    });
    EXPECT_TRUE(absl::IsUnavailable(watched.status()));
  });
  EXPECT_TRUE(claimed.empty());
  EXPECT_TRUE(absl::IsUnavailable(fixture.Submit(StoreFixture::Lua("b")).status()));
}

TEST_P(StoreConformance, OnlyATaskThatHasEndedCanBeDeleted) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(fixture.Delete("a")));
  const auto claimed = fixture.Claim();
  EXPECT_TRUE(absl::IsFailedPrecondition(fixture.Delete("a")));
  ASSERT_TRUE(fixture.Finish(claimed[0].lease, Verdict::kSucceeded).ok());
  EXPECT_TRUE(absl::IsAborted(fixture.Delete("a", "old")));
  EXPECT_TRUE(fixture.Delete("a", fixture.Get("a")->etag()).ok());
  EXPECT_TRUE(absl::IsNotFound(fixture.Get("a").status()));
  EXPECT_TRUE(absl::IsNotFound(fixture.Delete("a")));
}

TEST_P(StoreConformance, ATaskMayTakeTheNameOfADeletedOne) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  ASSERT_TRUE(fixture.Cancel("a").ok());
  ASSERT_TRUE(fixture.Delete("a").ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  EXPECT_EQ(fixture.RunOne(), "a");
  EXPECT_EQ(fixture.Events("a", 0)->value().events.front()->sequence(), 1);
}
}  // namespace
}  // namespace errand::store
