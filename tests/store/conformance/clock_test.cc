// The wall clock is set, forward or back, by an hour or a second: what is measured takes as long as it would
// have, and what names a time of day waits for that.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "server/task/duration.h"
#include "tests/store/conformance/store_fixture.h"

namespace errand::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// How the clock is set.
std::vector<absl::Duration> Steps() {
  return {-absl::Hours(1), -absl::Seconds(1), absl::Seconds(1), absl::Hours(1)};
}

std::string Named(absl::Duration step) { return absl::StrCat("a step of ", absl::FormatDuration(step)); }

v1::Queue DefaultQueue() {
  v1::Queue queue;
  queue.set_name("queues/default");
  return queue;
}

Wanted Scheduled(const StoreFixture& fixture, const std::string& id, absl::Duration after) {
  return StoreFixture::LuaWith(
      id, [&](v1::Task& task) { *task.mutable_schedule_time() = task::ToProto(fixture.now() + after); });
}

TEST_P(StoreConformance, ARateIsKeptWhateverBecomesOfTheWallClock) {
  for (const absl::Duration step : Steps()) {
    SCOPED_TRACE(Named(step));
    StoreFixture fixture(GetParam());
    v1::Queue queue = DefaultQueue();
    queue.mutable_rate_limit()->set_tasks_per_second(2);
    ASSERT_TRUE(fixture.Update(queue).ok());
    for (int i = 0; i < 9; ++i) ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(absl::StrCat("t", i))).ok());
    ASSERT_EQ(fixture.Claim(9).size(), 1u);
    fixture.SetWallClock(step);
    EXPECT_THAT(fixture.Claim(9), IsEmpty()) << "no token has come by it";
    fixture.Advance(absl::Milliseconds(499));
    EXPECT_THAT(fixture.Claim(9), IsEmpty());
    fixture.Advance(absl::Milliseconds(1));
    EXPECT_EQ(fixture.Claim(9).size(), 1u);
  }
}

TEST_P(StoreConformance, ALeaseLastsWhateverBecomesOfTheWallClock) {
  for (const absl::Duration step : Steps()) {
    SCOPED_TRACE(Named(step));
    StoreFixture fixture(GetParam());
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("kept")).ok());
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("lost")).ok());
    const std::vector<ClaimedTask> claimed = fixture.Claim(2, absl::Seconds(30));
    ASSERT_EQ(claimed.size(), 2u);
    fixture.Advance(absl::Seconds(10));
    fixture.SetWallClock(step);
    EXPECT_EQ(fixture.State("kept"), v1::TASK_STATE_RUNNING);
    const auto extended = StoreFixture::Await<std::vector<absl::Status>>(
        [&](auto done) { fixture.store().Extend({claimed[0].lease}, absl::Seconds(30), std::move(done)); });
    EXPECT_TRUE(extended.at(0).ok()) << extended.at(0);
    fixture.Advance(absl::Seconds(20));
    EXPECT_EQ(fixture.State("kept"), v1::TASK_STATE_RUNNING);
    EXPECT_EQ(fixture.Get("lost")->error().message(), "the server that ran it stopped answering");
    EXPECT_TRUE(fixture.Finish(claimed[0].lease, Verdict::kSucceeded).ok());
  }
}

TEST_P(StoreConformance, ABackoffLastsAsLongWhateverBecomesOfTheWallClock) {
  for (const absl::Duration step : Steps()) {
    SCOPED_TRACE(Named(step));
    StoreFixture fixture(GetParam());
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
    ASSERT_TRUE(fixture.Finish(fixture.Claim().at(0).lease, Verdict::kRetry, absl::Seconds(10)).ok());
    fixture.Advance(absl::Seconds(4));
    fixture.SetWallClock(step);
    fixture.Advance(absl::Milliseconds(5'999));
    EXPECT_EQ(fixture.State("a"), v1::TASK_STATE_SCHEDULED);
    fixture.Advance(absl::Milliseconds(1));
    EXPECT_EQ(fixture.RunOne(), "a");
  }
}

TEST_P(StoreConformance, ATtlIsMeasuredAndAnExpireTimeIsATimeOfDay) {
  for (const absl::Duration step : Steps()) {
    SCOPED_TRACE(Named(step));
    StoreFixture fixture(GetParam());
    constexpr absl::Duration kLife = absl::Minutes(1);
    ASSERT_TRUE(fixture.Submit(fixture.Expiring("ttl", kLife)).ok());
    Wanted dated = fixture.Expiring("date", kLife);
    dated.ttl.reset();
    ASSERT_TRUE(fixture.Submit(std::move(dated)).ok());
    fixture.SetWallClock(step);
    EXPECT_EQ(fixture.State("ttl"), v1::TASK_STATE_QUEUED);
    EXPECT_EQ(fixture.State("date"), step < kLife ? v1::TASK_STATE_QUEUED : v1::TASK_STATE_EXPIRED);
    fixture.Advance(kLife);
    EXPECT_EQ(fixture.State("ttl"), v1::TASK_STATE_EXPIRED);
    EXPECT_EQ(fixture.State("date"),
              step < absl::ZeroDuration() ? v1::TASK_STATE_QUEUED : v1::TASK_STATE_EXPIRED);
    if (step >= absl::ZeroDuration()) continue;
    fixture.Advance(-step);
    EXPECT_EQ(fixture.State("date"), v1::TASK_STATE_EXPIRED);
  }
}

TEST_P(StoreConformance, AScheduleTimeIsATimeOfDay) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(Scheduled(fixture, "a", absl::Minutes(30))).ok());
  fixture.SetWallClock(-absl::Hours(1));
  fixture.Advance(absl::Minutes(30));
  EXPECT_EQ(fixture.State("a"), v1::TASK_STATE_SCHEDULED) << "it is half past of the hour before";
  fixture.SetWallClock(absl::Minutes(59));
  EXPECT_EQ(fixture.State("a"), v1::TASK_STATE_SCHEDULED);
  fixture.SetWallClock(absl::Minutes(1));
  EXPECT_EQ(fixture.RunOne(), "a");
}

TEST_P(StoreConformance, AScheduledTasksTtlEndsThoughItsTimeOfDayIsFarOff) {
  StoreFixture fixture(GetParam());
  Wanted wanted = Scheduled(fixture, "a", absl::Minutes(1));
  wanted.ttl = absl::Minutes(2);
  *wanted.task->mutable_expire_time() = task::ToProto(fixture.now() + *wanted.ttl);
  ASSERT_TRUE(fixture.Submit(std::move(wanted)).ok());
  fixture.SetWallClock(-absl::Hours(1));
  fixture.Advance(absl::Minutes(2));
  EXPECT_EQ(fixture.State("a"), v1::TASK_STATE_EXPIRED);
}

TEST_P(StoreConformance, WhatTimeBringsAboutComesInItsOrderOnBothClocks) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("measured")).ok());
  ASSERT_TRUE(fixture.Finish(fixture.Claim().at(0).lease, Verdict::kRetry, absl::Seconds(2)).ok());
  ASSERT_TRUE(fixture.Submit(Scheduled(fixture, "first", absl::Seconds(1))).ok());
  ASSERT_TRUE(fixture.Submit(Scheduled(fixture, "last", absl::Seconds(3))).ok());
  fixture.Advance(absl::Minutes(1));
  EXPECT_THAT(Ids(fixture.Claim(9)), ElementsAre("first", "measured", "last"));
}

TEST_P(StoreConformance, EndedTasksAndRequestIdsAreKeptAsLongWhateverBecomesOfTheWallClock) {
  StoreOptions options;
  options.max_ended_age = absl::Minutes(10);
  options.request_id_window = absl::Minutes(10);
  for (const absl::Duration step : Steps()) {
    SCOPED_TRACE(Named(step));
    StoreFixture fixture(GetParam(), options);
    v1::Queue queue = DefaultQueue();
    queue.set_name("queues/own");
    queue.mutable_retention()->mutable_max_age()->set_seconds(300);
    ASSERT_TRUE(fixture.Update(queue).ok());
    ASSERT_TRUE(fixture.Submit(StoreFixture::Request("a", "r")).ok());
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("b", "queues/own")).ok());
    for (const ClaimedTask& task : fixture.Claim(2)) {
      ASSERT_TRUE(fixture.Finish(task.lease, Verdict::kSucceeded).ok());
    }
    const auto own = [&] { return fixture.Stats("queues/own")->tasks_by_state().size(); };
    fixture.Advance(absl::Minutes(1));
    fixture.SetWallClock(step);
    fixture.Advance(absl::Minutes(4) - absl::Nanoseconds(1));
    EXPECT_EQ(own(), 1u);
    fixture.Advance(absl::Nanoseconds(1));
    EXPECT_EQ(own(), 0u);
    EXPECT_TRUE(fixture.Get("a").ok());
    EXPECT_EQ(fixture.Submit(StoreFixture::Request("c", "r"))->name(), "queues/default/tasks/a");
    fixture.Advance(absl::Minutes(5) + absl::Seconds(1));
    EXPECT_TRUE(absl::IsNotFound(fixture.Get("a").status()));
    EXPECT_EQ(fixture.Submit(StoreFixture::Request("c", "r"))->name(), "queues/default/tasks/c");
  }
}

TEST_P(StoreConformance, AgesAndRatesOfAQueueAreMeasured) {
  for (const absl::Duration step : Steps()) {
    SCOPED_TRACE(Named(step));
    StoreFixture fixture(GetParam());
    fixture.Advance(absl::Minutes(1));
    for (int i = 0; i < 60; ++i) ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(absl::StrCat("t", i))).ok());
    fixture.Advance(absl::Seconds(10));
    fixture.SetWallClock(step);
    fixture.Advance(absl::Seconds(10));
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("later")).ok());
    const v1::QueueStats stats = *fixture.Stats("queues/default");
    EXPECT_EQ(stats.oldest_queued_age().seconds(), 20);
    EXPECT_DOUBLE_EQ(stats.created_per_second_1m(), 61.0 / 60);
    EXPECT_EQ(fixture.Claim(60).size(), 60u);
    EXPECT_EQ(fixture.Stats("queues/default")->oldest_queued_age().seconds(), 0);
  }
}

TEST_P(StoreConformance, ATasksTimesNeverGoBack) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  fixture.SetWallClock(-absl::Hours(1));
  const Lease lease = fixture.Claim().at(0).lease;
  fixture.Log(lease, "hello");
  fixture.SetWallClock(-absl::Seconds(1));
  ASSERT_TRUE(fixture.Finish(lease, Verdict::kSucceeded).ok());
  const auto check = [&] {
    const v1::Task task = *fixture.Get("a");
    EXPECT_LE(task::FromProto(task.create_time()), task::FromProto(task.start_time()));
    EXPECT_LE(task::FromProto(task.start_time()), task::FromProto(task.end_time()));
    EXPECT_EQ(task.attempts(0).end_time().SerializeAsString(), task.end_time().SerializeAsString());
    absl::Time last = absl::InfinitePast();
    const EventBatch batch = **fixture.Events("a");
    EXPECT_EQ(batch.events.size(), 4u);
    for (size_t i = 0; i < batch.events.size(); ++i) {
      EXPECT_EQ(batch.events[i]->sequence(), static_cast<int64_t>(i) + 1);
      EXPECT_GE(task::FromProto(batch.events[i]->event_time()), last);
      last = task::FromProto(batch.events[i]->event_time());
    }
    return task.SerializeAsString();
  };
  const std::string before = check();
  if (!fixture.survives()) return;
  fixture.Reopen();
  EXPECT_EQ(check(), before);
}

TEST_P(StoreConformance, TasksAreListedAndClaimedInOrderThoughTheClockIsSetBack) {
  StoreFixture fixture(GetParam());
  for (const char* id : {"a", "b", "c", "d"}) {
    const auto task = fixture.Submit(StoreFixture::Lua(id));
    ASSERT_TRUE(task.ok());
    EXPECT_EQ(task::FromProto(task->create_time()), fixture.now()) << "what the wall clock shows";
    fixture.SetWallClock(-absl::Minutes(20));
  }
  std::vector<std::string> listed;
  ListRequest request;
  request.max_tasks = 1;
  for (bool more = true; more;) {
    const auto page = fixture.List(request);
    ASSERT_TRUE(page.ok());
    for (const v1::Task& task : page->tasks) listed.push_back(task.name().substr(task.name().size() - 1));
    request.after_order = page->last_order;
    more = page->more;
  }
  EXPECT_THAT(listed, ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(Ids(fixture.Claim(9)), ElementsAre("a", "b", "c", "d"));
}

// --- what was kept, after a boot of the machine: its monotonic clock began anew ---

TEST_P(StoreConformance, ABackoffThatWasKeptLastsNoLongerThanItWas) {
  for (const absl::Duration off : {absl::Seconds(4), absl::Seconds(10), absl::Hours(1), -absl::Hours(1)}) {
    SCOPED_TRACE(absl::FormatDuration(off));
    StoreFixture fixture(GetParam());
    if (!fixture.survives()) return;
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
    ASSERT_TRUE(fixture.Finish(fixture.Claim().at(0).lease, Verdict::kRetry, absl::Seconds(10)).ok());
    fixture.RebootFor(off);
    const absl::Duration left = std::clamp(absl::Seconds(10) - off, absl::ZeroDuration(), absl::Seconds(10));
    fixture.Advance(left - absl::Nanoseconds(1));
    if (left > absl::ZeroDuration()) {
      EXPECT_EQ(fixture.State("a"), v1::TASK_STATE_SCHEDULED);
    }
    fixture.Advance(absl::Nanoseconds(1));
    EXPECT_EQ(fixture.RunOne(), "a");
  }
}

TEST_P(StoreConformance, ATtlThatWasKeptLastsNoLongerThanItWas) {
  for (const absl::Duration off : {absl::Seconds(4), absl::Hours(1), -absl::Hours(1)}) {
    SCOPED_TRACE(absl::FormatDuration(off));
    StoreFixture fixture(GetParam());
    if (!fixture.survives()) return;
    ASSERT_TRUE(fixture.Submit(fixture.Expiring("ttl", absl::Seconds(10))).ok());
    Wanted dated = fixture.Expiring("date", absl::Seconds(10));
    dated.ttl.reset();
    ASSERT_TRUE(fixture.Submit(std::move(dated)).ok());
    fixture.RebootFor(off);
    const absl::Duration left = std::clamp(absl::Seconds(10) - off, absl::ZeroDuration(), absl::Seconds(10));
    fixture.Advance(left);
    EXPECT_EQ(fixture.State("ttl"), v1::TASK_STATE_EXPIRED);
    EXPECT_EQ(fixture.State("date"),
              off < absl::ZeroDuration() ? v1::TASK_STATE_QUEUED : v1::TASK_STATE_EXPIRED);
  }
}

TEST_P(StoreConformance, EndedTasksThatWereKeptGoInTime) {
  StoreOptions options;
  options.max_ended_age = absl::Minutes(10);
  for (const absl::Duration off : {absl::Minutes(1), -absl::Hours(1)}) {
    SCOPED_TRACE(absl::FormatDuration(off));
    StoreFixture fixture(GetParam(), options);
    if (!fixture.survives()) return;
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
    ASSERT_EQ(fixture.RunOne(), "a");
    fixture.RebootFor(off);
    EXPECT_TRUE(fixture.Get("a").ok());
    fixture.Advance(absl::Minutes(10) - std::max(off, absl::ZeroDuration()));
    EXPECT_TRUE(absl::IsNotFound(fixture.Get("a").status()));
  }
}

TEST_P(StoreConformance, APositionOfAQueuesEventsIsNotUsedAgainThoughTheClockIsSetBack) {
  StoreFixture fixture(GetParam());
  if (!fixture.survives()) return;
  int64_t last = 0;
  for (int life = 0; life < 4; ++life) {
    SCOPED_TRACE(absl::StrCat("life ", life));
    const int64_t start = (**fixture.QueueEvents("queues/default", 0)).position;
    EXPECT_GE(start, last);
    for (int i = 0; i < 5; ++i)
      ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(absl::StrCat(life, "-", i))).ok());
    const QueueEventBatch batch = **fixture.QueueEvents("queues/default", start);
    EXPECT_EQ(batch.events.size(), 5u);
    last = batch.position;
    // By less than the events took: positions go up with the time.
    fixture.RebootFor(life % 2 == 0 ? -absl::Microseconds(2) : -absl::Hours(1));
  }
}

}  // namespace
}  // namespace errand::store
