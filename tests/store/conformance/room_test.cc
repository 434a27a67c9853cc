// Claims that take no more of a queue than they have room for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/store/conformance/store_fixture.h"

namespace errand::store {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

void SubmitAll(StoreFixture& fixture, const std::vector<std::string>& ids, const std::string& queue) {
  for (const std::string& id : ids) ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(id, queue)).ok());
}

TEST_P(StoreConformance, AClaimTakesNoMoreOfAQueueThanThereIsRoomFor) {
  StoreFixture fixture(GetParam());
  SubmitAll(fixture, {"a1", "a2", "a3"}, "queues/a");
  SubmitAll(fixture, {"b1", "b2", "b3"}, "queues/b");
  EXPECT_THAT(Ids(fixture.ClaimInto({.tasks = 9, .queues = {{"queues/a", {1}}}})),
              ElementsAre("a1", "b1", "b2", "b3"));
  EXPECT_THAT(Ids(fixture.Claim(9)), ElementsAre("a2", "a3"));
}

TEST_P(StoreConformance, AQueueWithoutRoomKeepsItsTurn) {
  StoreFixture fixture(GetParam());
  SubmitAll(fixture, {"a1", "a2"}, "queues/a");
  SubmitAll(fixture, {"b1", "b2"}, "queues/b");
  EXPECT_THAT(Ids(fixture.ClaimInto({.tasks = 1, .queues = {{"queues/a", {0}}}})), ElementsAre("b1"));
  EXPECT_THAT(Ids(fixture.Claim(3)), ElementsAre("a1", "b2", "a2"));
}

TEST_P(StoreConformance, AClaimMayTakeOneTaskOfEachQueue) {
  StoreFixture fixture(GetParam());
  SubmitAll(fixture, {"a1", "a2"}, "queues/a");
  SubmitAll(fixture, {"b1", "b2"}, "queues/b");
  EXPECT_THAT(Ids(fixture.ClaimInto({.tasks = 9, .tasks_a_queue = 1})), ElementsAre("a1", "b1"));
}

TEST_P(StoreConformance, AClaimTakesNoMoreBytesThanThereIsRoomForButForOneTask) {
  StoreFixture fixture(GetParam());
  for (const char* id : {"a", "b", "c"}) {
    ASSERT_TRUE(fixture
                    .Submit(StoreFixture::LuaWith(
                        id, [](auto& task) { task.mutable_lua()->set_text(std::string(1000, 'x')); }))
                    .ok());
  }
  EXPECT_THAT(fixture.ClaimInto({.tasks = 9, .bytes = 1}), SizeIs(1));
  EXPECT_THAT(fixture.ClaimInto({.tasks = 9, .bytes = 1500}), SizeIs(2));
}

TEST_P(StoreConformance, AClaimThatWaitsLeavesTasksItHasNoRoomForToTheNext) {
  StoreFixture fixture(GetParam());
  std::vector<ClaimedTask> first;
  const WaitId waits =
      fixture.store().Claim({task::HandlerKind::kLua,
                             {.tasks = 9, .queues = {{"queues/a", {0, v1::HELD_BY_QUEUE_SHARE}}}},
                             absl::Seconds(30),
                             &fixture,
                             ""},
                            [&first](auto tasks) { first = std::move(tasks); });
  SubmitAll(fixture, {"a1"}, "queues/a");
  EXPECT_EQ(fixture.Stats("queues/a")->held_by(), v1::HELD_BY_QUEUE_SHARE);
  EXPECT_THAT(Ids(fixture.Claim(9)), ElementsAre("a1"));
  fixture.store().StopWaiting(waits);
  EXPECT_TRUE(first.empty());
}

TEST_P(StoreConformance, AClaimWithoutRoomTakesNothingAndSaysWhatQueuesWaitFor) {
  StoreFixture fixture(GetParam());
  bool claimed = false;
  const WaitId waits = fixture.store().Claim({task::HandlerKind::kLua,
                                              {.tasks = 0, .held_by = v1::HELD_BY_MAIL_SERVER},
                                              absl::Seconds(30),
                                              &fixture,
                                              ""},
                                             [&claimed](auto tasks) { claimed = !tasks.empty(); });
  SubmitAll(fixture, {"a1"}, "queues/a");
  EXPECT_EQ(fixture.Stats("queues/a")->held_by(), v1::HELD_BY_MAIL_SERVER);
  fixture.store().StopWaiting(waits);
  EXPECT_FALSE(claimed);
  EXPECT_EQ(fixture.Stats("queues/a")->held_by(), v1::HELD_BY_EXECUTORS);
}

}  // namespace
}  // namespace errand::store
