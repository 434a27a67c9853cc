#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/store/store_fixture.h"

namespace errand::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Ids(const std::vector<ClaimedTask>& claimed) {
  std::vector<std::string> ids;
  for (const ClaimedTask& task : claimed)
    ids.push_back(task.lease.task.substr(task.lease.task.rfind('/') + 1));
  return ids;
}

TEST(MemoryStore, TasksOfAQueueAreClaimedInTheOrderOfSubmission) {
  StoreFixture fixture;
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(id)).ok());
  EXPECT_THAT(Ids(fixture.Claim(2)), ElementsAre("a", "b"));
  EXPECT_THAT(Ids(fixture.Claim(2)), ElementsAre("c"));
  EXPECT_TRUE(fixture.Claim(2).empty());
}

TEST(MemoryStore, AHigherPriorityGoesFirst) {
  StoreFixture fixture;
  for (int priority : {0, 9, 5, 9}) {
    const std::string id = absl::StrCat("p", priority, "-", priority == 9 && fixture.Get("p9-0").ok());
    ASSERT_TRUE(
        fixture.Submit(StoreFixture::LuaWith(id, [&](auto& task) { task.set_priority(priority); })).ok());
  }
  EXPECT_THAT(Ids(fixture.Claim(4)), ElementsAre("p9-0", "p9-1", "p5-0", "p0-0"));
}

TEST(MemoryStore, QueuesTakeTurns) {
  StoreFixture fixture;
  for (const char* id : {"a1", "a2", "a3"})
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(id, "queues/a")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("b1", "queues/b")).ok());
  EXPECT_THAT(Ids(fixture.Claim(4)), ElementsAre("a1", "b1", "a2", "a3"));
}

TEST(MemoryStore, AClaimWaitsForATaskOfItsKind) {
  StoreFixture fixture;
  std::vector<ClaimedTask> claimed;
  fixture.store().Claim({task::HandlerKind::kEmail, 1, absl::Seconds(1), &fixture},
                        [&](auto tasks) { claimed = std::move(tasks); });
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("lua")).ok());
  EXPECT_TRUE(claimed.empty());
  auto email = StoreFixture::LuaWith("mail", [](auto& task) { task.mutable_email(); });
  ASSERT_TRUE(fixture.Submit(std::move(email)).ok());
  EXPECT_THAT(Ids(claimed), ElementsAre("mail"));
}

TEST(MemoryStore, ATakenIdIsRefusedAndChangesNothing) {
  StoreFixture fixture;
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(fixture.Submit(StoreFixture::Lua("a")).status()));
  EXPECT_EQ(fixture.Claim(9).size(), 1u);
}

TEST(MemoryStore, ARepeatedRequestReturnsTheFirstTaskWhileItIsRemembered) {
  StoreFixture fixture;
  Submission first = StoreFixture::Lua("a");
  first.request_id = "r";
  ASSERT_TRUE(fixture.Submit(std::move(first)).ok());
  Submission again = StoreFixture::Lua("b");
  again.request_id = "r";
  EXPECT_EQ(fixture.Submit(again)->name(), "queues/default/tasks/a");
  Submission elsewhere = StoreFixture::Lua("c", "queues/other");
  elsewhere.request_id = "r";
  EXPECT_EQ(fixture.Submit(std::move(elsewhere))->name(), "queues/other/tasks/c");
  fixture.Advance(absl::Minutes(11));
  EXPECT_EQ(fixture.Submit(again)->name(), "queues/default/tasks/b");
}

TEST(MemoryStore, AFinishedTaskIsNotRunAgainByARepeatedRequestEvenWhenForgotten) {
  MemoryStoreOptions options;
  options.max_ended_tasks = 0;
  StoreFixture fixture(options);
  Submission submission = StoreFixture::Lua("a");
  submission.request_id = "r";
  ASSERT_TRUE(fixture.Submit(submission).ok());
  ASSERT_TRUE(fixture.Finish(fixture.Claim()[0].lease, Verdict::kSucceeded).ok());
  ASSERT_TRUE(absl::IsNotFound(fixture.Get("a").status()));
  EXPECT_TRUE(absl::IsAlreadyExists(fixture.Submit(submission).status()));
}

TEST(MemoryStore, AFullQueueRefusesByCountAndTakesMoreWhenATaskEnds) {
  MemoryStoreOptions options;
  options.max_queue_tasks = 2;
  StoreFixture fixture(options);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("b")).ok());
  const absl::Status full = fixture.Submit(StoreFixture::Lua("c")).status();
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_TRUE(full.GetPayload("type.googleapis.com/google.rpc.RetryInfo").has_value());
  EXPECT_TRUE(full.GetPayload("type.googleapis.com/google.rpc.QuotaFailure").has_value());
  EXPECT_TRUE(absl::IsNotFound(fixture.Get("c").status()));
  EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("c", "queues/other")).ok());
  ASSERT_TRUE(fixture.Finish(fixture.Claim()[0].lease, Verdict::kSucceeded).ok());
  EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("c")).ok());
}

TEST(MemoryStore, AFullQueueRefusesByBytes) {
  MemoryStoreOptions options;
  options.max_queue_bytes = 1000;
  StoreFixture fixture(options);
  const auto big = [](auto& task) { task.mutable_lua()->set_text(std::string(800, 'x')); };
  ASSERT_TRUE(fixture.Submit(StoreFixture::LuaWith("a", big)).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(fixture.Submit(StoreFixture::LuaWith("b", big)).status()));
  EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("c")).ok());
}

TEST(MemoryStore, OnlyFixedQueuesTakeTasksWhereQueuesAreFixed) {
  MemoryStoreOptions options;
  options.fixed_queues = {"queues/a"};
  StoreFixture fixture(options);
  EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("t", "queues/a")).ok());
  const absl::Status status = fixture.Submit(StoreFixture::Lua("t", "queues/b")).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("queues/b"));
}

TEST(MemoryStore, QueuesAreBoundedInNumberAndGoWithTheirLastTask) {
  MemoryStoreOptions options;
  options.max_queues = 1;
  options.max_ended_tasks = 0;
  StoreFixture fixture(options);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("t", "queues/a")).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(fixture.Submit(StoreFixture::Lua("t", "queues/b")).status()));
  ASSERT_TRUE(fixture.Finish(fixture.Claim()[0].lease, Verdict::kSucceeded).ok());
  EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("t", "queues/b")).ok());
}

TEST(MemoryStore, EventsAreNumberedWithoutGapsThroughATasksLife) {
  StoreFixture fixture;
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

TEST(MemoryStore, AWatchWaitsForTheNextEventAndResumesAfterTheLastOneSeen) {
  StoreFixture fixture;
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  std::vector<int64_t> seen;
  fixture.store().Watch({"queues/default/tasks/a", 1, 100}, [&](absl::StatusOr<EventBatch> batch) {
    for (const auto& event : batch->events) seen.push_back(event->sequence());
  });
  EXPECT_TRUE(seen.empty());
  const auto claimed = fixture.Claim();
  EXPECT_THAT(seen, ElementsAre(2));
  EXPECT_EQ(fixture.Events("a", 1)->value().events.size(), 1u);
  EXPECT_FALSE(fixture.Events("a", 2).has_value()) << "nothing has happened since";
}

TEST(MemoryStore, AWatchOfAnEndedTaskWhoseLastEventWasSeenEnds) {
  StoreFixture fixture;
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  ASSERT_TRUE(fixture.Cancel("a").ok());
  const auto batch = fixture.Events("a", 2);
  ASSERT_TRUE(batch.has_value());
  EXPECT_TRUE((*batch)->ended);
  EXPECT_TRUE((*batch)->events.empty());
}

TEST(MemoryStore, ASequenceThatIsNotKeptIsOutOfRangeAndSaysWhereToResume) {
  MemoryStoreOptions options;
  options.max_task_events = 3;
  StoreFixture fixture(options);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  const auto claimed = fixture.Claim();
  for (int i = 0; i < 5; ++i) {
    v1::TaskEvent event;
    event.mutable_log()->set_message(absl::StrCat(i));
    fixture.store().Append({{claimed[0].lease, event}});
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

TEST(MemoryStore, ProgressThatNobodyHasReadIsReplacedAndStatesNeverAre) {
  StoreFixture fixture;
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  const auto claimed = fixture.Claim();
  const auto progress = [&](double completed) {
    v1::TaskEvent event;
    event.mutable_progress()->set_completed(completed);
    fixture.store().Append({{claimed[0].lease, event}});
  };
  progress(1);
  progress(2);
  ASSERT_EQ(fixture.Events("a", 2)->value().events.size(), 1u);
  EXPECT_EQ(fixture.Events("a", 2)->value().events[0]->progress().completed(), 2);
  progress(3);
  const EventBatch batch = **fixture.Events("a", 2);
  ASSERT_EQ(batch.events.size(), 2u) << "what was read stays";
  EXPECT_EQ(batch.events[1]->sequence(), 4);
  EXPECT_EQ(fixture.Get("a")->progress().completed(), 3);
}

TEST(MemoryStore, AWaitingTaskIsCancelledAtOnceAndNeverRuns) {
  StoreFixture fixture;
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("b")).ok());
  EXPECT_EQ(fixture.Cancel("a")->state(), v1::TASK_STATE_CANCELLED);
  EXPECT_EQ(fixture.Cancel("a")->state(), v1::TASK_STATE_CANCELLED) << "again changes nothing";
  EXPECT_THAT(Ids(fixture.Claim(9)), ElementsAre("b"));
}

TEST(MemoryStore, ARunningTaskIsCancelledThroughItsLeaseHolder) {
  StoreFixture fixture;
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  const auto claimed = fixture.Claim();
  EXPECT_EQ(fixture.Cancel("a")->state(), v1::TASK_STATE_RUNNING);
  ASSERT_EQ(fixture.cancels().size(), 1u);
  EXPECT_EQ(fixture.cancels()[0].token, claimed[0].lease.token);
  ASSERT_TRUE(fixture.Finish(claimed[0].lease, Verdict::kCancelled).ok());
  EXPECT_EQ(fixture.Get("a")->state(), v1::TASK_STATE_CANCELLED);
}

TEST(MemoryStore, ACancelledTaskIsNotRetried) {
  StoreFixture fixture;
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  const auto claimed = fixture.Claim();
  ASSERT_TRUE(fixture.Cancel("a").ok());
  ASSERT_TRUE(fixture.Finish(claimed[0].lease, Verdict::kRetry, absl::Seconds(1)).ok());
  EXPECT_EQ(fixture.Get("a")->state(), v1::TASK_STATE_CANCELLED);
}

TEST(MemoryStore, AnEndedTaskCannotBeCancelled) {
  StoreFixture fixture;
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  ASSERT_TRUE(fixture.Finish(fixture.Claim()[0].lease, Verdict::kSucceeded).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(fixture.Cancel("a").status()));
}

TEST(MemoryStore, ACancelWithAnOldEtagIsAborted) {
  StoreFixture fixture;
  const std::string etag = fixture.Submit(StoreFixture::Lua("a"))->etag();
  const auto claimed = fixture.Claim();
  EXPECT_TRUE(absl::IsAborted(fixture.Cancel("a", etag).status()));
  EXPECT_TRUE(fixture.Cancel("a", fixture.Get("a")->etag()).ok());
}

TEST(MemoryStore, AnExpiredLeaseEndsTheAttemptAndItsHolderCannotFinishIt) {
  StoreFixture fixture;
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

TEST(MemoryStore, AnExtendedLeaseHolds) {
  StoreFixture fixture;
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  const auto claimed = fixture.Claim(1, absl::Seconds(10));
  fixture.Advance(absl::Seconds(9));
  std::vector<absl::Status> extended;
  fixture.store().Extend({claimed[0].lease, {"queues/default/tasks/a", 999}}, absl::Seconds(10),
                         [&](auto results) { extended = std::move(results); });
  EXPECT_TRUE(extended[0].ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(extended[1]));
  fixture.Advance(absl::Seconds(9));
  EXPECT_TRUE(fixture.Finish(claimed[0].lease, Verdict::kSucceeded).ok());
}

TEST(MemoryStore, AReleasedTaskGoesFirstAgain) {
  StoreFixture fixture;
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("b")).ok());
  ASSERT_TRUE(fixture.Finish(fixture.Claim()[0].lease, Verdict::kReleased).ok());
  EXPECT_THAT(Ids(fixture.Claim(2)), ElementsAre("a", "b"));
}

TEST(MemoryStore, AScheduledTaskWaitsForItsTime) {
  StoreFixture fixture;
  auto submission = StoreFixture::LuaWith("a", [&](auto& task) {
    task.mutable_schedule_time()->set_seconds(absl::ToUnixSeconds(fixture.now()) + 60);
  });
  EXPECT_EQ(fixture.Submit(std::move(submission))->state(), v1::TASK_STATE_SCHEDULED);
  fixture.Advance(absl::Seconds(59));
  EXPECT_TRUE(fixture.Claim().empty());
  fixture.Advance(absl::Seconds(1));
  EXPECT_EQ(fixture.Claim().size(), 1u);
}

TEST(MemoryStore, EndedTasksAreForgottenByCountAndByAge) {
  MemoryStoreOptions options;
  options.max_ended_tasks = 1;
  options.max_ended_age = absl::Minutes(1);
  StoreFixture fixture(options);
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

TEST(MemoryStore, BasicViewLeavesOutWhatTheClientSentAndTheResult) {
  StoreFixture fixture;
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  std::vector<FinishRequest> requests(1);
  requests[0].lease = fixture.Claim()[0].lease;
  requests[0].result.set_data("done");
  fixture.store().Finish(std::move(requests), [](auto) {});
  const v1::Task basic = *fixture.Get("a", v1::TASK_VIEW_BASIC);
  EXPECT_TRUE(basic.has_lua());
  EXPECT_EQ(basic.lua().source(), "");
  EXPECT_FALSE(basic.has_result());
  const v1::Task full = *fixture.Get("a");
  EXPECT_EQ(full.lua().source(), "return 1");
  EXPECT_EQ(full.result().data(), "done");
}

TEST(MemoryStore, ListPagesThroughAQueueInTheOrderOfSubmission) {
  StoreFixture fixture;
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(id)).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("x", "queues/other")).ok());
  ListRequest request{"queues/default", 0, 2};
  ListPage page;
  const auto list = [&] { fixture.store().List(request, [&](auto result) { page = *std::move(result); }); };
  list();
  ASSERT_EQ(page.tasks.size(), 2u);
  EXPECT_EQ(page.tasks[1].name(), "queues/default/tasks/b");
  EXPECT_TRUE(page.more);
  request.after_order = page.last_order;
  list();
  ASSERT_EQ(page.tasks.size(), 1u);
  EXPECT_EQ(page.tasks[0].name(), "queues/default/tasks/c");
  EXPECT_FALSE(page.more);
}

TEST(MemoryStore, CloseEndsEverythingThatWaitsAndRefusesTheRest) {
  StoreFixture fixture;
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  bool claim_ended = false;
  fixture.store().Claim({task::HandlerKind::kEmail, 1, absl::Seconds(1), &fixture},
                        [&](auto tasks) { claim_ended = tasks.empty(); });
  absl::Status watched;
  fixture.store().Watch({"queues/default/tasks/a", 1, 1}, [&](auto batch) { watched = batch.status(); });
  fixture.store().Close();
  EXPECT_TRUE(claim_ended);
  EXPECT_TRUE(absl::IsUnavailable(watched));
  EXPECT_TRUE(absl::IsUnavailable(fixture.Submit(StoreFixture::Lua("b")).status()));
}

TEST(MemoryStore, TheAlarmThreadStartsAScheduledTaskByTheRealClock) {
  MemoryStore store{MemoryStoreOptions()};
  absl::Mutex mu;
  bool started = false;
  StoreFixture holder;
  store.Claim({task::HandlerKind::kLua, 1, absl::Seconds(30), &holder}, [&](auto tasks) {
    absl::MutexLock lock(&mu);
    started = tasks.size() == 1;
  });
  std::vector<Submission> submissions;
  submissions.push_back(StoreFixture::LuaWith("a", [](auto& task) {
    const absl::Time due = absl::Now() + absl::Milliseconds(20);
    task.mutable_schedule_time()->set_seconds(absl::ToUnixSeconds(due));
    task.mutable_schedule_time()->set_nanos(static_cast<int32_t>(absl::ToUnixNanos(due) % 1'000'000'000));
  }));
  store.Submit(std::move(submissions), [](auto) {});
  absl::MutexLock lock(&mu);
  EXPECT_TRUE(mu.AwaitWithTimeout(absl::Condition(&started), absl::Seconds(30)));
}

}  // namespace
}  // namespace errand::store
