#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/task/duration.h"
#include "tests/store/conformance/store_fixture.h"

namespace errand::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_P(StoreConformance, TasksOfAQueueAreClaimedInTheOrderOfSubmission) {
  StoreFixture fixture(GetParam());
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(id)).ok());
  EXPECT_THAT(Ids(fixture.Claim(2)), ElementsAre("a", "b"));
  EXPECT_THAT(Ids(fixture.Claim(2)), ElementsAre("c"));
  EXPECT_TRUE(fixture.Claim(2).empty());
}

TEST_P(StoreConformance, AHigherPriorityGoesFirst) {
  StoreFixture fixture(GetParam());
  for (int priority : {0, 9, 5, 9}) {
    const std::string id = absl::StrCat("p", priority, "-", priority == 9 && fixture.Get("p9-0").ok());
    ASSERT_TRUE(
        fixture.Submit(StoreFixture::LuaWith(id, [&](auto& task) { task.set_priority(priority); })).ok());
  }
  EXPECT_THAT(Ids(fixture.Claim(4)), ElementsAre("p9-0", "p9-1", "p5-0", "p0-0"));
}

TEST_P(StoreConformance, QueuesTakeTurns) {
  StoreFixture fixture(GetParam());
  for (const char* id : {"a1", "a2", "a3"})
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(id, "queues/a")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("b1", "queues/b")).ok());
  EXPECT_THAT(Ids(fixture.Claim(4)), ElementsAre("a1", "b1", "a2", "a3"));
}

TEST_P(StoreConformance, AClaimWaitsForATaskOfItsKind) {
  StoreFixture fixture(GetParam());
  const auto claimed = StoreFixture::Await<std::vector<ClaimedTask>>([&](auto done) {
    fixture.store().Claim({task::HandlerKind::kEmail, {}, absl::Seconds(1), &fixture, ""}, std::move(done));
    EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("lua")).ok());
    auto email = StoreFixture::LuaWith("mail", [](auto& task) { task.mutable_email(); });
    EXPECT_TRUE(fixture.Submit(std::move(email)).ok());
  });
  EXPECT_THAT(Ids(claimed), ElementsAre("mail"));
}

TEST_P(StoreConformance, ATaskThatIsPutOffHasNotTried) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  for (int round = 0; round < 3; ++round) {
    const std::vector<ClaimedTask> claimed = fixture.Claim();
    ASSERT_EQ(claimed.size(), 1u);
    EXPECT_EQ(claimed[0].tries, 1);
    ASSERT_TRUE(fixture.Finish(claimed[0].lease, Verdict::kPutOff, absl::Seconds(5)).ok());
    EXPECT_EQ(fixture.Get("a")->state(), v1::TASK_STATE_SCHEDULED);
    EXPECT_TRUE(fixture.Claim().empty());
    fixture.Advance(absl::Seconds(5));
  }
}

TEST_P(StoreConformance, AClaimSaysWhenItsTaskWasCreated) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  const std::vector<ClaimedTask> claimed = fixture.Claim();
  ASSERT_EQ(claimed.size(), 1u);
  EXPECT_EQ(claimed[0].create_time, task::FromProto(fixture.Get("a")->create_time()));
}

TEST_P(StoreConformance, AReleasedTaskGoesFirstAgain) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("b")).ok());
  ASSERT_TRUE(fixture.Finish(fixture.Claim()[0].lease, Verdict::kReleased).ok());
  EXPECT_THAT(Ids(fixture.Claim(2)), ElementsAre("a", "b"));
}

TEST_P(StoreConformance, TheNextAttemptFindsWhatAnInterruptedOneHasKept) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  const Lease first = fixture.Claim()[0].lease;
  EXPECT_TRUE(fixture.Keep(first, "early").ok());
  EXPECT_TRUE(fixture.Keep(first, "late").ok());
  EXPECT_EQ(fixture.Get("a")->result().data(), "late");
  ASSERT_TRUE(fixture.Finish(first, Verdict::kReleased).ok());
  const std::vector<ClaimedTask> again = fixture.Claim();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].previous_result.data(), "late");
  EXPECT_TRUE(absl::IsFailedPrecondition(fixture.Keep(first, "stale")));
  ASSERT_TRUE(fixture.Finish(again[0].lease, Verdict::kSucceeded).ok());
  EXPECT_EQ(fixture.Get("a")->result().data(), "") << "the end says what the result is";
}

TEST_P(StoreConformance, AReleasedAttemptMayLeaveAnotherResult) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  const Lease lease = fixture.Claim()[0].lease;
  EXPECT_TRUE(fixture.Keep(lease, "kept").ok());
  std::vector<FinishRequest> requests(1);
  requests[0].lease = lease;
  requests[0].verdict = Verdict::kReleased;
  requests[0].result.set_data("left");
  EXPECT_TRUE(StoreFixture::Await<std::vector<absl::Status>>(
                  [&](auto done) { fixture.store().Finish(std::move(requests), std::move(done)); })
                  .at(0)
                  .ok());
  EXPECT_EQ(fixture.Claim()[0].previous_result.data(), "left");
}

TEST_P(StoreConformance, AQueueOfManyTasksDelaysAnotherQueueByAtMostOneRound) {
  StoreFixture fixture(GetParam());
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(absl::StrCat("a", i), "queues/a")).ok());
  }
  (void)fixture.Claim(10);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("b", "queues/b")).ok());
  EXPECT_THAT(Ids(fixture.Claim(2)), ::testing::Contains("b"));
}

TEST_P(StoreConformance, AQueueStartsAsManyTasksATurnAsItsWeightSays) {
  StoreFixture fixture(GetParam());
  v1::Queue heavy;
  heavy.set_name("queues/a");
  heavy.set_weight(3);
  ASSERT_TRUE(fixture.Update(heavy).ok());
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(absl::StrCat("a", i), "queues/a")).ok());
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(absl::StrCat("b", i), "queues/b")).ok());
  }
  EXPECT_THAT(Ids(fixture.Claim(8)), ElementsAre("a0", "a1", "a2", "b0", "a3", "a4", "b1", "b2"));
}

TEST_P(StoreConformance, TasksOfOneKeyRunOneAfterAnotherInOrderOfSubmission) {
  StoreFixture fixture(GetParam());
  for (const char* id : {"k1", "k2", "k3"}) ASSERT_TRUE(fixture.Submit(StoreFixture::Keyed(id, "k")).ok());
  for (const char* id : {"k1", "k2", "k3"}) {
    const auto claimed = fixture.Claim(9);
    EXPECT_THAT(Ids(claimed), ElementsAre(id));
    ASSERT_TRUE(fixture.Finish(claimed[0].lease, Verdict::kSucceeded).ok());
  }
}

TEST_P(StoreConformance, AKeyedTaskWaitsForTheRetriesOfTheOneBeforeIt) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Keyed("k1", "k")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Keyed("k2", "k")).ok());
  const auto first = fixture.Claim();
  ASSERT_TRUE(fixture.Finish(first[0].lease, Verdict::kRetry, absl::Seconds(10)).ok());
  EXPECT_TRUE(fixture.Claim(9).empty());
  fixture.Advance(absl::Seconds(10));
  EXPECT_EQ(fixture.RunOne(), "k1");
  EXPECT_EQ(fixture.RunOne(), "k2");
}

TEST_P(StoreConformance, TasksOfDifferentKeysNeverWaitForEachOther) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Keyed("a1", "a")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Keyed("a2", "a")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Keyed("b1", "b")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("free")).ok());
  EXPECT_THAT(Ids(fixture.Claim(9)), ElementsAre("a1", "b1", "free"));
}

TEST_P(StoreConformance, AKeyIsOfItsQueue) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Keyed("a", "k")).ok());
  auto elsewhere = StoreFixture::LuaWith(
      "b", [](auto& task) { task.set_ordering_key("k"); }, "queues/other");
  ASSERT_TRUE(fixture.Submit(std::move(elsewhere)).ok());
  EXPECT_EQ(fixture.Claim(9).size(), 2u);
}

TEST_P(StoreConformance, AKeyedTaskThatIsCancelledOrScheduledLetsGoOrHoldsTheNextOne) {
  StoreFixture fixture(GetParam());
  auto later = StoreFixture::LuaWith("k1", [&](auto& task) {
    task.set_ordering_key("k");
    *task.mutable_schedule_time() = task::ToProto(fixture.now() + absl::Minutes(1));
  });
  ASSERT_TRUE(fixture.Submit(std::move(later)).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Keyed("k2", "k")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Keyed("k3", "k")).ok());
  EXPECT_TRUE(fixture.Claim(9).empty()) << "in order of submission, whenever the first is due";
  ASSERT_TRUE(fixture.Cancel("k2").ok());
  EXPECT_TRUE(fixture.Claim(9).empty());
  ASSERT_TRUE(fixture.Cancel("k1").ok());
  EXPECT_THAT(Ids(fixture.Claim(9)), ElementsAre("k3"));
}

TEST_P(StoreConformance, AKeyedTaskTakesThePlaceItHadWhenItBecameQueued) {
  StoreFixture fixture(GetParam());
  for (const char* id : {"k1", "k2"}) ASSERT_TRUE(fixture.Submit(StoreFixture::Keyed(id, "k")).ok());
  for (const char* id : {"x", "y"}) ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(id)).ok());
  EXPECT_EQ(fixture.RunOne(), "k1");
  EXPECT_THAT(Ids(fixture.Claim(9)), ElementsAre("k2", "x", "y"));
}
}  // namespace
}  // namespace errand::store
