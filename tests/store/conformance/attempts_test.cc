#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/store/conformance/store_fixture.h"

namespace errand::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_P(StoreConformance, AnExpiredLeaseEndsTheAttemptAndItsHolderCannotFinishIt) {
  StoreFixture fixture(GetParam());
  auto submission =
      StoreFixture::LuaWith("a", [](auto& task) { task.mutable_retry_policy()->set_max_attempts(2); });
  ASSERT_TRUE(fixture.Submit(std::move(submission)).ok());
  const auto first = fixture.Claim(1, absl::Seconds(10));
  fixture.Advance(absl::Seconds(10));
  EXPECT_TRUE(absl::IsFailedPrecondition(fixture.Finish(first[0].lease, Verdict::kSucceeded)));
  fixture.Advance(absl::Minutes(1));  // Past the longest first backoff.
  const auto second = fixture.Claim(1, absl::Seconds(10));
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].attempt, 2);
  fixture.Advance(absl::Seconds(10));
  const v1::Task task = *fixture.Get("a");
  EXPECT_EQ(task.state(), v1::TASK_STATE_FAILED) << "attempts are spent";
  EXPECT_THAT(task.error().message(), HasSubstr("stopped answering"));
}

TEST_P(StoreConformance, AnExtendedLeaseHolds) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  const auto claimed = fixture.Claim(1, absl::Seconds(10));
  fixture.Advance(absl::Seconds(9));
  const auto extended = StoreFixture::Await<std::vector<absl::Status>>([&](auto done) {
    fixture.store().Extend({claimed[0].lease, {"queues/default/tasks/a", 999}}, absl::Seconds(10),
                           std::move(done));
  });
  EXPECT_TRUE(extended[0].ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(extended[1]));
  fixture.Advance(absl::Seconds(9));
  EXPECT_TRUE(fixture.Finish(claimed[0].lease, Verdict::kSucceeded).ok());
}

TEST_P(StoreConformance, EachAttemptIsKeptWithItsTimesErrorAndWhereItRan) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  const auto first = fixture.Claim();
  fixture.Advance(absl::Seconds(2));
  ASSERT_TRUE(fixture.Finish(first[0].lease, Verdict::kRetry, absl::Seconds(5)).ok());
  fixture.Advance(absl::Seconds(5));
  const auto second = fixture.Claim();
  EXPECT_FALSE(fixture.Get("a")->attempts(1).has_end_time());
  ASSERT_TRUE(fixture.Finish(second[0].lease, Verdict::kSucceeded).ok());
  const v1::Task task = *fixture.Get("a");
  ASSERT_EQ(task.attempts_size(), 2);
  EXPECT_EQ(task.attempts(0).number(), 1);
  EXPECT_EQ(task.attempts(0).worker(), "worker-1");
  EXPECT_EQ(task.attempts(0).error().message(), "failed");
  EXPECT_EQ(task.attempts(0).end_time().seconds() - task.attempts(0).start_time().seconds(), 2);
  EXPECT_EQ(task.attempts(1).number(), 2);
  EXPECT_FALSE(task.attempts(1).has_error());
  EXPECT_TRUE(task.attempts(1).has_end_time());
  EXPECT_EQ(fixture.Get("a", v1::TASK_VIEW_BASIC)->attempts_size(), 0);
}

TEST_P(StoreConformance, ATaskWhoseLeaseKeepsExpiringEndsFailed) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture
                  .Submit(StoreFixture::LuaWith(
                      "a", [](auto& task) { task.mutable_retry_policy()->set_max_attempts(3); }))
                  .ok());
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const auto claimed = fixture.Claim(1, absl::Seconds(1));
    ASSERT_EQ(claimed.size(), 1u);
    EXPECT_EQ(claimed[0].attempt, attempt) << "the attempt counts from its start";
    fixture.Advance(absl::Seconds(1));
    fixture.Advance(absl::Minutes(10));
  }
  EXPECT_EQ(fixture.State("a"), v1::TASK_STATE_FAILED);
  EXPECT_TRUE(fixture.Claim().empty());
  EXPECT_EQ(fixture.Get("a")->attempts(2).error().code(), 14);
}

TEST_P(StoreConformance, ARetriedTaskRunsAgainWithAllItsTries) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  ASSERT_EQ(fixture.RunOne(Verdict::kFailed), "a");
  ASSERT_TRUE(fixture.Get("a")->has_end_time());
  const auto retried = fixture.Retry("a");
  EXPECT_EQ(retried->state(), v1::TASK_STATE_QUEUED);
  EXPECT_FALSE(retried->has_end_time());
  const auto claimed = fixture.Claim();
  ASSERT_EQ(claimed.size(), 1u);
  EXPECT_EQ(claimed[0].attempt, 2);
  EXPECT_EQ(claimed[0].tries, 1);
  ASSERT_TRUE(fixture.Finish(claimed[0].lease, Verdict::kSucceeded).ok());
  const v1::Task task = *fixture.Get("a");
  EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_FALSE(task.has_error());
  EXPECT_THAT(fixture.States("a"),
              ElementsAre(v1::TASK_STATE_QUEUED, v1::TASK_STATE_RUNNING, v1::TASK_STATE_FAILED,
                          v1::TASK_STATE_QUEUED, v1::TASK_STATE_RUNNING, v1::TASK_STATE_SUCCEEDED));
}

TEST_P(StoreConformance, OnlyATaskThatEndedWithoutSuccessCanBeRetried) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(fixture.Retry("a").status()));
  ASSERT_TRUE(fixture.Cancel("a").ok());
  EXPECT_TRUE(absl::IsAborted(fixture.Retry("a", "old").status()));
  EXPECT_TRUE(fixture.Retry("a", fixture.Get("a")->etag()).ok());
  ASSERT_EQ(fixture.RunOne(), "a");
  EXPECT_TRUE(absl::IsFailedPrecondition(fixture.Retry("a").status()));
  EXPECT_TRUE(absl::IsNotFound(fixture.Retry("b").status()));
}

TEST_P(StoreConformance, ARetryCountsAgainstTheQueuesBound) {
  StoreOptions options;
  options.max_queue_tasks = 1;
  StoreFixture fixture(GetParam(), options);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  ASSERT_TRUE(fixture.Cancel("a").ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("b")).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(fixture.Retry("a").status()));
  ASSERT_EQ(fixture.RunOne(), "b");
  EXPECT_TRUE(fixture.Retry("a").ok());
  EXPECT_TRUE(absl::IsResourceExhausted(fixture.Submit(StoreFixture::Lua("c")).status()));
}

TEST_P(StoreConformance, ARetriedKeyedTaskGoesBehindThoseThatWait) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Keyed("k1", "k")).ok());
  ASSERT_EQ(fixture.RunOne(Verdict::kFailed), "k1");
  ASSERT_TRUE(fixture.Submit(StoreFixture::Keyed("k2", "k")).ok());
  ASSERT_TRUE(fixture.Retry("k1").ok());
  EXPECT_EQ(fixture.RunOne(), "k2");
  EXPECT_EQ(fixture.RunOne(), "k1");
}
}  // namespace
}  // namespace errand::store
