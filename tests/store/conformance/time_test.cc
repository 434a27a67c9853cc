#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/task/state.h"
#include "tests/store/conformance/store_fixture.h"

namespace errand::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_P(StoreConformance, AScheduledTaskWaitsForItsTime) {
  StoreFixture fixture(GetParam());
  auto submission = StoreFixture::LuaWith("a", [&](auto& task) {
    task.mutable_schedule_time()->set_seconds(absl::ToUnixSeconds(fixture.now()) + 60);
  });
  EXPECT_EQ(fixture.Submit(std::move(submission))->state(), v1::TASK_STATE_SCHEDULED);
  fixture.Advance(absl::Seconds(59));
  EXPECT_TRUE(fixture.Claim().empty());
  fixture.Advance(absl::Seconds(1));
  EXPECT_EQ(fixture.Claim().size(), 1u);
}

TEST_P(StoreConformance, EndedTasksAreForgottenByCountAndByAge) {
  StoreOptions options;
  options.max_ended_tasks = 1;
  options.max_ended_age = absl::Minutes(1);
  StoreFixture fixture(GetParam(), options);
  for (const char* id : {"a", "b"}) {
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(id)).ok());
    ASSERT_TRUE(fixture.Finish(fixture.Claim()[0].lease, Verdict::kSucceeded).ok());
  }
  EXPECT_TRUE(absl::IsNotFound(fixture.Get("a").status()));
  EXPECT_TRUE(fixture.Get("b").ok());
  fixture.Advance(absl::Minutes(1));
  EXPECT_TRUE(absl::IsNotFound(fixture.Get("b").status()));
  EXPECT_TRUE(absl::IsNotFound(fixture.Events("b", 0)->status()));
}

Wanted Expiring(const StoreFixture& fixture, const std::string& id, absl::Duration after) {
  return StoreFixture::LuaWith(
      id, [&](auto& task) { *task.mutable_expire_time() = task::ToProto(fixture.now() + after); });
}

TEST_P(StoreConformance, ATaskThatHasNotStartedBeforeItsExpireTimeExpires) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(Expiring(fixture, "a", absl::Seconds(10))).ok());
  fixture.Advance(absl::Seconds(10));
  EXPECT_TRUE(fixture.Claim().empty());
  const v1::Task task = *fixture.Get("a");
  EXPECT_EQ(task.state(), v1::TASK_STATE_EXPIRED);
  EXPECT_THAT(task.error().message(), HasSubstr("expire_time"));
  EXPECT_TRUE(fixture.Events("a", 0)->value().ended);
}

TEST_P(StoreConformance, ATaskThatHasStartedDoesNotExpire) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(Expiring(fixture, "a", absl::Seconds(10))).ok());
  const auto claimed = fixture.Claim(1, absl::Minutes(5));
  fixture.Advance(absl::Seconds(10));
  ASSERT_TRUE(fixture.Finish(claimed[0].lease, Verdict::kRetry, absl::Seconds(60)).ok());
  fixture.Advance(absl::Seconds(60));
  EXPECT_EQ(fixture.RunOne(), "a");
}

TEST_P(StoreConformance, ARetriedTaskThatExpiredRuns) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(Expiring(fixture, "a", absl::Seconds(10))).ok());
  fixture.Advance(absl::Seconds(10));
  ASSERT_TRUE(fixture.Retry("a").ok());
  fixture.Advance(absl::Minutes(1));
  EXPECT_EQ(fixture.RunOne(), "a");
}

TEST_P(StoreConformance, AScheduledTaskMayExpireAndLetTheNextOneOfItsKeyGo) {
  StoreFixture fixture(GetParam());
  auto submission = Expiring(fixture, "a", absl::Seconds(10));
  submission.task->set_ordering_key("k");
  *submission.task->mutable_schedule_time() = task::ToProto(fixture.now() + absl::Seconds(20));
  ASSERT_TRUE(fixture.Submit(std::move(submission)).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Keyed("b", "k")).ok());
  fixture.Advance(absl::Seconds(10));
  EXPECT_EQ(fixture.State("a"), v1::TASK_STATE_EXPIRED);
  EXPECT_EQ(fixture.RunOne(), "b");
}

TEST_P(StoreConformance, TasksThatBecomeDueTogetherKeepTheirOrder) {
  StoreFixture fixture(GetParam());
  for (const char* id : {"a", "b", "c"}) {
    auto submission = StoreFixture::LuaWith(id, [&](auto& task) {
      *task.mutable_schedule_time() = task::ToProto(fixture.now() + absl::Seconds(5));
    });
    ASSERT_TRUE(fixture.Submit(std::move(submission)).ok());
  }
  fixture.Advance(absl::Minutes(1));
  EXPECT_THAT(Ids(fixture.Claim(9)), ElementsAre("a", "b", "c"));
}

TEST_P(StoreConformance, AQueueStartsNoMoreThanItsRateAndBurst) {
  StoreFixture fixture(GetParam());
  v1::Queue queue;
  queue.set_name("queues/default");
  queue.mutable_rate_limit()->set_tasks_per_second(2);
  queue.mutable_rate_limit()->set_burst(3);
  ASSERT_TRUE(fixture.Update(queue).ok());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(absl::StrCat("t", i))).ok());
  EXPECT_EQ(fixture.Claim(20).size(), 3u) << "the burst";
  EXPECT_EQ(fixture.Stats("queues/default")->held_by(), v1::HELD_BY_RATE_LIMIT);
  fixture.Advance(absl::Milliseconds(499));
  EXPECT_EQ(fixture.Claim(20).size(), 0u);
  fixture.Advance(absl::Milliseconds(1));
  EXPECT_EQ(fixture.Claim(20).size(), 1u);
  fixture.Advance(absl::Minutes(1));
  EXPECT_EQ(fixture.Claim(20).size(), 3u) << "no more than the burst, however long it was quiet";
}

TEST_P(StoreConformance, AClaimThatWaitsGetsATaskWhenTheRateAllows) {
  StoreFixture fixture(GetParam());
  v1::Queue queue;
  queue.set_name("queues/default");
  queue.mutable_rate_limit()->set_tasks_per_second(1);
  ASSERT_TRUE(fixture.Update(queue).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("b")).ok());
  ASSERT_EQ(fixture.Claim().size(), 1u);
  const auto claimed = StoreFixture::Await<std::vector<ClaimedTask>>([&](auto done) {
    fixture.store().Claim({task::HandlerKind::kLua, {}, absl::Seconds(30), &fixture, ""}, std::move(done));
    fixture.Advance(absl::Seconds(1));
  });
  EXPECT_THAT(Ids(claimed), ElementsAre("b"));
}

TEST_P(StoreConformance, AQueuesOwnRetentionForgetsSooner) {
  StoreFixture fixture(GetParam());
  v1::Queue queue;
  queue.set_name("queues/default");
  queue.mutable_retention()->set_max_count(2);
  queue.mutable_retention()->mutable_max_age()->set_seconds(60);
  ASSERT_TRUE(fixture.Update(queue).ok());
  for (const char* id : {"a", "b", "c"}) {
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(id)).ok());
    ASSERT_EQ(fixture.RunOne(), id);
  }
  EXPECT_TRUE(absl::IsNotFound(fixture.Get("a").status()));
  EXPECT_TRUE(fixture.Get("b").ok());
  fixture.Advance(absl::Seconds(60));
  EXPECT_TRUE(absl::IsNotFound(fixture.Get("c").status()));
}

TEST_P(StoreConformance, AQueueThatKeepsNoEndedTaskStillTellsTheEnd) {
  StoreFixture fixture(GetParam());
  v1::Queue queue;
  queue.set_name("queues/default");
  queue.mutable_retention()->mutable_max_age();
  ASSERT_TRUE(fixture.Update(queue).ok());
  const int64_t start = (**fixture.QueueEvents("queues/default", 0)).position;
  const auto told_when = [&](const std::string& id, int64_t after, const auto& end) {
    const auto batch = StoreFixture::Await<absl::StatusOr<EventBatch>>([&](auto done) {
      fixture.store().Watch({task::TaskName("queues/default", id), after, 10}, std::move(done));
      end();
    });
    EXPECT_TRUE(absl::IsNotFound(fixture.Get(id).status())) << id;
    return batch.ok() && batch->ended ? batch->events.back()->state().state() : v1::TASK_STATE_UNSPECIFIED;
  };
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("run")).ok());
  const Lease lease = fixture.Claim().at(0).lease;
  EXPECT_EQ(told_when("run", 2, [&] { EXPECT_TRUE(fixture.Finish(lease, Verdict::kSucceeded).ok()); }),
            v1::TASK_STATE_SUCCEEDED);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("cancelled")).ok());
  EXPECT_EQ(told_when("cancelled", 1,
                      [&] { EXPECT_EQ(fixture.Cancel("cancelled")->state(), v1::TASK_STATE_CANCELLED); }),
            v1::TASK_STATE_CANCELLED);
  ASSERT_TRUE(fixture.Submit(Expiring(fixture, "expired", absl::Seconds(1))).ok());
  EXPECT_EQ(told_when("expired", 1, [&] { fixture.Advance(absl::Seconds(1)); }), v1::TASK_STATE_EXPIRED);
  std::vector<v1::TaskState> ends;
  const QueueEventBatch batch = **fixture.QueueEvents("queues/default", start);
  for (const auto& event : batch.events) {
    if (task::IsTerminal(event->state().state())) ends.push_back(event->state().state());
  }
  EXPECT_THAT(ends, ElementsAre(v1::TASK_STATE_SUCCEEDED, v1::TASK_STATE_CANCELLED, v1::TASK_STATE_EXPIRED));
}
}  // namespace
}  // namespace errand::store
