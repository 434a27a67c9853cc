// How names of queues come to be free: they go by themselves, make way, or are deleted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/store/conformance/store_fixture.h"

namespace errand::store {
namespace {

using ::testing::HasSubstr;

v1::Queue Settings(const std::string& name) {
  v1::Queue queue;
  queue.set_name(name);
  queue.set_max_running(3);
  return queue;
}

TEST_P(StoreConformance, AQueueIsDeletedWithItsSettings) {
  StoreFixture fixture(GetParam());
  const std::string etag = fixture.Update(Settings("queues/q"))->etag();
  EXPECT_TRUE(absl::IsAborted(fixture.DeleteQueue({"queues/q", "old", false}).status()));
  EXPECT_EQ(fixture.DeleteQueue({"queues/q", etag, false}).value(), 0);
  for (int look = 0; look < 2; ++look) {
    EXPECT_TRUE(absl::IsNotFound(fixture.GetQueue("queues/q").status()));
    EXPECT_TRUE(absl::IsNotFound(fixture.DeleteQueue({"queues/q", "", false}).status()));
    if (!fixture.survives()) break;
    fixture.Reopen();
  }
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("t", "queues/q")).ok());
  EXPECT_EQ(fixture.GetQueue("queues/q")->max_running(), 0) << "a new queue";
}

TEST_P(StoreConformance, AQueueThatHoldsTasksIsDeletedByForceAlone) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Update(Settings("queues/q")).ok());
  for (const char* id : {"ended", "runs", "waits", "late"}) {
    Wanted wanted = StoreFixture::Lua(id, "queues/q");
    if (std::string(id) == "late") {
      *wanted.task->mutable_schedule_time() = task::ToProto(fixture.now() + absl::Hours(1));
    }
    ASSERT_TRUE(fixture.Submit(std::move(wanted)).ok());
  }
  ASSERT_EQ(fixture.RunOne(), "ended");
  const Lease runs = fixture.Claim()[0].lease;
  const absl::Status refused = fixture.DeleteQueue({"queues/q", "", false}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_EQ(ReasonOf(refused), "QUEUE_NOT_EMPTY");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("4 tasks"));
  EXPECT_EQ(fixture.GetQueue("queues/q")->max_running(), 3) << "nothing has changed";

  EXPECT_EQ(fixture.DeleteQueue({"queues/q", "", true}).value(), 4);
  ASSERT_EQ(fixture.cancels().size(), 1u);
  EXPECT_EQ(fixture.cancels()[0].token, runs.token) << "whoever runs it is told";
  EXPECT_EQ(ReasonOf(fixture.Finish(runs, Verdict::kSucceeded)), "STALE_LEASE");
  EXPECT_EQ(fixture.store().MemoryBytes(), 0);
  if (fixture.survives()) fixture.Reopen();
  EXPECT_TRUE(absl::IsNotFound(fixture.GetQueue("queues/q").status()));
  EXPECT_TRUE(fixture.Claim(9).empty());
}

TEST_P(StoreConformance, QueuesThatAlwaysExistAreNotDeleted) {
  StoreOptions options;
  options.fixed_queues = {"queues/mine"};
  StoreFixture fixture(GetParam(), options);
  for (const char* name : {"queues/default", "queues/mine"}) {
    EXPECT_EQ(ReasonOf(fixture.DeleteQueue({name, "", true}).status()), "QUEUE_PERMANENT");
  }
}

TEST_P(StoreConformance, WhoWatchesADeletedQueueIsTold) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Update(Settings("queues/q")).ok());
  const int64_t start = (**fixture.QueueEvents("queues/q", 0)).position;
  const auto watched = StoreFixture::Await<absl::StatusOr<QueueEventBatch>>([&](auto done) {
    fixture.store().WatchQueue({"queues/q", start}, std::move(done));
    EXPECT_TRUE(fixture.DeleteQueue({"queues/q", "", false}).ok());
  });
  EXPECT_TRUE(absl::IsNotFound(watched.status())) << watched.status();
}

TEST_P(StoreConformance, AQueueThatIsBeingDeletedTakesNothing) {
  StoreFixture fixture(GetParam());
  std::vector<Wanted> all;
  for (int i = 0; i < 1'500; ++i) all.push_back(StoreFixture::Lua(absl::StrCat("t", i), "queues/q"));
  (void)fixture.Submit(all, SubmitMode::kEach);
  const auto deleted = StoreFixture::Await<absl::StatusOr<int64_t>>([&](auto done) {
    fixture.store().DeleteQueue({"queues/q", "", true}, std::move(done));
    const absl::Status refused = fixture.Submit(StoreFixture::Lua("new", "queues/q")).status();
    EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
    EXPECT_EQ(ReasonOf(refused), "QUEUE_BEING_DELETED");
    EXPECT_TRUE(fixture.Claim(9).empty());
    fixture.Advance(absl::ZeroDuration());
  });
  EXPECT_EQ(deleted.value(), 1'500);
  EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("new", "queues/q")).ok());
}

TEST_P(StoreConformance, AQueueWhoseTasksHaveEndedMakesWay) {
  StoreOptions options;
  options.max_queues = 3;
  StoreFixture fixture(GetParam(), options);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("lives", "queues/live")).ok());
  for (const char* queue : {"queues/a", "queues/b", "queues/c", "queues/d", "queues/e"}) {
    ASSERT_TRUE(fixture
                    .Submit(StoreFixture::LuaWith(
                        "t", [](v1::Task& task) { task.set_priority(9); }, queue))
                    .ok())
        << queue;
    const auto claimed = fixture.Claim(2);
    for (const ClaimedTask& one : claimed) {
      if (one.lease.task == "queues/live/tasks/lives") {
        ASSERT_TRUE(fixture.Finish(one.lease, Verdict::kReleased).ok());
      } else {
        ASSERT_TRUE(fixture.Finish(one.lease, Verdict::kSucceeded).ok());
      }
    }
  }
  EXPECT_TRUE(fixture.GetQueue("queues/live").ok());
  EXPECT_TRUE(fixture.GetQueue("queues/e").ok());
  EXPECT_TRUE(absl::IsNotFound(fixture.GetQueue("queues/a").status()));
}

TEST_P(StoreConformance, QueuesWithSettingsTakeNoNamesFromThoseWithTasks) {
  StoreOptions options;
  options.max_queues = 2;
  StoreFixture fixture(GetParam(), options);
  for (const char* queue : {"queues/a", "queues/b"}) ASSERT_TRUE(fixture.Update(Settings(queue)).ok());
  EXPECT_EQ(ReasonOf(fixture.Update(Settings("queues/c")).status()), "QUEUE_FULL");
  for (const char* queue : {"queues/w", "queues/x"}) {
    // Somebody watches a queue that is not there.
    const int64_t start = (**fixture.QueueEvents(queue, 0)).position;
    fixture.store().WatchQueue({queue, start}, [](const auto&) {});
  }
  EXPECT_EQ(ReasonOf(fixture.QueueEvents("queues/y", 0)->status()), "QUEUE_FULL");
  for (const char* queue : {"queues/a", "queues/d", "queues/w"}) {
    EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("t", queue)).ok()) << queue;
  }
  EXPECT_EQ(ReasonOf(fixture.Submit(StoreFixture::Lua("t", "queues/e")).status()), "QUEUE_FULL");
  EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("t2", "queues/d")).ok());
  if (fixture.survives()) {
    fixture.Reopen();
    EXPECT_EQ(ReasonOf(fixture.Submit(StoreFixture::Lua("t", "queues/e")).status()), "QUEUE_FULL");
    EXPECT_EQ(ReasonOf(fixture.Update(Settings("queues/c")).status()), "QUEUE_FULL");
  }
  ASSERT_TRUE(fixture.DeleteQueue({"queues/d", "", true}).ok());
  EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("t", "queues/e")).ok());
}

}  // namespace
}  // namespace errand::store
