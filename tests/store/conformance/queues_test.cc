#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/store/conformance/store_fixture.h"

namespace errand::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_P(StoreConformance, OnlyFixedQueuesTakeTasksWhereQueuesAreFixed) {
  StoreOptions options;
  options.fixed_queues = {"queues/a"};
  StoreFixture fixture(GetParam(), options);
  EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("t", "queues/a")).ok());
  const absl::Status status = fixture.Submit(StoreFixture::Lua("t", "queues/b")).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("queues/b"));
}

TEST_P(StoreConformance, QueuesAreBoundedInNumberAndGoWithTheirLastTask) {
  StoreOptions options;
  options.max_queues = 1;  // The default queue does not count.
  options.max_ended_tasks = 0;
  StoreFixture fixture(GetParam(), options);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("t", "queues/a")).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(fixture.Submit(StoreFixture::Lua("t", "queues/b")).status()));
  ASSERT_TRUE(fixture.Finish(fixture.Claim()[0].lease, Verdict::kSucceeded).ok());
  EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("t", "queues/b")).ok());
}

v1::Queue Settings(const std::string& name) {
  v1::Queue queue;
  queue.set_name(name);
  return queue;
}

TEST_P(StoreConformance, TheDefaultQueueAlwaysExistsAndOthersWhileTheyAreUsed) {
  StoreFixture fixture(GetParam());
  EXPECT_EQ(fixture.GetQueue("queues/default")->state(), v1::QUEUE_STATE_RUNNING);
  EXPECT_TRUE(absl::IsNotFound(fixture.GetQueue("queues/a").status()));
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("t", "queues/a")).ok());
  EXPECT_TRUE(fixture.GetQueue("queues/a").ok());
  EXPECT_EQ(*fixture.Purge("queues/a"), 1);
  EXPECT_TRUE(absl::IsNotFound(fixture.GetQueue("queues/a").status()));
}

TEST_P(StoreConformance, SettingsOutliveTheTasksAndChangeByMask) {
  StoreFixture fixture(GetParam());
  v1::Queue settings = Settings("queues/a");
  settings.set_max_running(3);
  settings.mutable_rate_limit()->set_tasks_per_second(5);
  const auto created = fixture.Update(settings);
  ASSERT_TRUE(created.ok()) << created.status();
  v1::Queue change = Settings("queues/a");
  change.mutable_rate_limit()->set_burst(7);
  const auto changed = fixture.Update(change, {"rate_limit.burst"});
  EXPECT_EQ(changed->max_running(), 3);
  EXPECT_EQ(changed->rate_limit().tasks_per_second(), 5);
  EXPECT_EQ(changed->rate_limit().burst(), 7);
  EXPECT_NE(changed->etag(), created->etag());
  change.set_etag(created->etag());
  EXPECT_TRUE(absl::IsAborted(fixture.Update(change).status()));
  EXPECT_EQ(fixture.Update(Settings("queues/a"), {"*"})->max_running(), 0);
  EXPECT_TRUE(absl::IsNotFound(fixture.GetQueue("queues/a").status())) << "nothing of its own is left";
}

TEST_P(StoreConformance, AnUpdateThatContradictsASettingThatStaysIsRefused) {
  StoreFixture fixture(GetParam());
  v1::Queue settings = Settings("queues/a");
  settings.mutable_default_retry_policy()->mutable_max_backoff()->set_seconds(10);
  const auto created = fixture.Update(settings);
  ASSERT_TRUE(created.ok()) << created.status();
  v1::Queue change = Settings("queues/a");
  change.mutable_default_retry_policy()->mutable_min_backoff()->set_seconds(11);
  EXPECT_TRUE(absl::IsInvalidArgument(fixture.Update(change, {"default_retry_policy.min_backoff"}).status()));
  EXPECT_EQ(fixture.GetQueue("queues/a")->etag(), created->etag()) << "nothing has changed";
  change.set_name("queues/b");
  EXPECT_TRUE(fixture.Update(change).ok());
}

TEST_P(StoreConformance, QueuesAreListedByName) {
  StoreFixture fixture(GetParam());
  for (const char* name : {"queues/c", "queues/a", "queues/b"}) {
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("t", name)).ok());
  }
  const QueuePage first = *fixture.ListQueues({"", 2});
  ASSERT_EQ(first.queues.size(), 2u);
  EXPECT_TRUE(first.more);
  EXPECT_EQ(first.queues[1].name(), "queues/b");
  const QueuePage rest = *fixture.ListQueues({"queues/b", 9});
  ASSERT_EQ(rest.queues.size(), 2u);
  EXPECT_EQ(rest.queues[0].name(), "queues/c");
  EXPECT_EQ(rest.queues[1].name(), "queues/default");
  EXPECT_FALSE(rest.more);
}

TEST_P(StoreConformance, APausedQueueTakesTasksAndStartsNone) {
  StoreFixture fixture(GetParam());
  EXPECT_EQ(fixture.SetState("queues/default", v1::QUEUE_STATE_PAUSED)->state(), v1::QUEUE_STATE_PAUSED);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("b", "queues/other")).ok());
  EXPECT_THAT(Ids(fixture.Claim(9)), ElementsAre("b"));
  EXPECT_EQ(fixture.Stats("queues/default")->held_by(), v1::HELD_BY_PAUSE);
  const auto claimed = StoreFixture::Await<std::vector<ClaimedTask>>([&](auto done) {
    fixture.store().Claim({task::HandlerKind::kLua, {}, absl::Seconds(30), &fixture, ""}, std::move(done));
    EXPECT_EQ(fixture.SetState("queues/default", v1::QUEUE_STATE_RUNNING)->state(), v1::QUEUE_STATE_RUNNING);
  });
  EXPECT_THAT(Ids(claimed), ElementsAre("a"));
}

TEST_P(StoreConformance, AQueueRunsNoMoreThanItsMaximumAtOnce) {
  StoreFixture fixture(GetParam());
  v1::Queue settings = Settings("queues/default");
  settings.set_max_running(2);
  ASSERT_TRUE(fixture.Update(settings).ok());
  for (const char* id : {"a", "b", "c", "d"}) ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(id)).ok());
  const auto claimed = fixture.Claim(9);
  EXPECT_THAT(Ids(claimed), ElementsAre("a", "b"));
  EXPECT_EQ(fixture.Stats("queues/default")->held_by(), v1::HELD_BY_MAX_RUNNING);
  const auto next = StoreFixture::Await<std::vector<ClaimedTask>>([&](auto done) {
    fixture.store().Claim({task::HandlerKind::kLua, {.tasks = 9}, absl::Seconds(30), &fixture, ""},
                          std::move(done));
    EXPECT_TRUE(fixture.Finish(claimed[0].lease, Verdict::kSucceeded).ok());
  });
  EXPECT_THAT(Ids(next), ElementsAre("c"));
  settings.set_max_running(0);
  ASSERT_TRUE(fixture.Update(settings, {"max_running"}).ok());
  EXPECT_THAT(Ids(fixture.Claim(9)), ElementsAre("d"));
}

TEST_P(StoreConformance, AQueuesOwnCapacityIsTheTighterBound) {
  StoreOptions options;
  options.max_queue_tasks = 3;
  StoreFixture fixture(GetParam(), options);
  v1::Queue settings = Settings("queues/default");
  settings.mutable_capacity()->set_max_tasks(1);
  ASSERT_TRUE(fixture.Update(settings).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(fixture.Submit(StoreFixture::Lua("b")).status()));
  settings.mutable_capacity()->set_max_tasks(99);
  ASSERT_TRUE(fixture.Update(settings).ok());
  EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("b")).ok());
  EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("c")).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(fixture.Submit(StoreFixture::Lua("d")).status()));
}

TEST_P(StoreConformance, APurgeForgetsWhatWaitsAndLeavesTheRest) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("ended")).ok());
  ASSERT_EQ(fixture.RunOne(), "ended");
  ASSERT_TRUE(fixture.Submit(StoreFixture::Keyed("running", "k")).ok());
  const auto claimed = fixture.Claim();
  ASSERT_TRUE(fixture.Submit(StoreFixture::Keyed("held", "k")).ok());
  ASSERT_TRUE(fixture
                  .Submit(StoreFixture::LuaWith("scheduled",
                                                [&](auto& task) {
                                                  *task.mutable_schedule_time() =
                                                      task::ToProto(fixture.now() + absl::Hours(1));
                                                }))
                  .ok());
  for (int i = 0; i < 2500; ++i) ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(absl::StrCat("t", i))).ok());
  const auto purged = StoreFixture::Await<absl::StatusOr<int64_t>>([&](auto done) {
    fixture.store().PurgeQueue("queues/default", std::move(done));
    EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("later")).ok());
    for (int i = 0; i < 4; ++i) fixture.Advance(absl::ZeroDuration());
  });
  EXPECT_EQ(*purged, 2502);
  EXPECT_EQ(fixture.State("ended"), v1::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(fixture.State("running"), v1::TASK_STATE_RUNNING);
  EXPECT_TRUE(absl::IsNotFound(fixture.Get("held").status()));
  EXPECT_TRUE(absl::IsNotFound(fixture.Get("scheduled").status()));
  EXPECT_THAT(Ids(fixture.Claim(9)), ElementsAre("later"));
  EXPECT_TRUE(fixture.Finish(claimed[0].lease, Verdict::kSucceeded).ok());
  EXPECT_TRUE(absl::IsNotFound(fixture.Purge("queues/none").status()));
}

TEST_P(StoreConformance, StatsTellDepthAgeRatesAndWhatHolds) {
  StoreFixture fixture(GetParam());
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(absl::StrCat("t", i))).ok());
  ASSERT_EQ(fixture.RunOne(), "t0");
  (void)fixture.Claim(2);
  fixture.Advance(absl::Seconds(10));
  v1::QueueStats stats = *fixture.Stats("queues/default");
  EXPECT_EQ(stats.tasks_by_state().at("TASK_STATE_QUEUED"), 3);
  EXPECT_EQ(stats.tasks_by_state().at("TASK_STATE_RUNNING"), 2);
  EXPECT_EQ(stats.tasks_by_state().at("TASK_STATE_SUCCEEDED"), 1);
  EXPECT_EQ(stats.tasks_by_state().size(), 3u);
  EXPECT_EQ(stats.oldest_queued_age().seconds(), 10);
  EXPECT_DOUBLE_EQ(stats.created_per_second_1m(), 6.0 / 60);
  EXPECT_DOUBLE_EQ(stats.created_per_second_5m(), 6.0 / 300);
  EXPECT_DOUBLE_EQ(stats.ended_per_second_1m(), 1.0 / 60);
  EXPECT_EQ(stats.held_by(), v1::HELD_BY_EXECUTORS);
  fixture.Advance(absl::Minutes(2));
  stats = *fixture.Stats("queues/default");
  EXPECT_EQ(stats.created_per_second_1m(), 0);
  EXPECT_DOUBLE_EQ(stats.created_per_second_5m(), 6.0 / 300);
  EXPECT_EQ(fixture.Claim(9).size(), 3u);
  EXPECT_FALSE(fixture.Stats("queues/default")->has_oldest_queued_age());
}
}  // namespace
}  // namespace errand::store
