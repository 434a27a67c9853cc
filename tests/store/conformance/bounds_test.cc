// What a store keeps in memory is bounded in bytes, and what was counted comes back to nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/store/conformance/store_fixture.h"

namespace errand::store {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMiB = 1 << 20;

StoreOptions WithMemory(int64_t bytes) {
  StoreOptions options;
  options.max_memory_bytes = bytes;
  return options;
}

// With so many bytes to be done.
Wanted Large(const std::string& id, int64_t bytes, const std::string& queue = "queues/default") {
  return StoreFixture::LuaWith(
      id, [&](v1::Task& task) { task.mutable_lua()->set_text(std::string(static_cast<size_t>(bytes), 'x')); },
      queue);
}

// Ends the next task with so many bytes as its result.
void RunOneFor(StoreFixture& fixture, int64_t bytes) {
  const auto claimed = fixture.Claim();
  ASSERT_EQ(claimed.size(), 1u);
  std::vector<FinishRequest> requests(1);
  requests[0].lease = claimed[0].lease;
  requests[0].result.set_data(std::string(static_cast<size_t>(bytes), 'x'));
  const auto finished = StoreFixture::Await<std::vector<absl::Status>>(
      [&](auto done) { fixture.store().Finish(std::move(requests), std::move(done)); });
  ASSERT_TRUE(finished[0].ok()) << finished[0];
}

TEST_P(StoreConformance, ResultsOfEndedTasksAreBoundedAndTheOldestGoOrAreOnAMedium) {
  StoreFixture fixture(GetParam(), WithMemory(16 * kMiB));  // 4 MiB of these.
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(absl::StrCat("t", i))).ok());
    RunOneFor(fixture, kMiB);
    EXPECT_LE(fixture.store().MemoryBytes(), 5 * kMiB);
  }
  // On a medium they are bounded by that.
  EXPECT_EQ(absl::IsNotFound(fixture.Get("t0").status()), !fixture.survives());
  EXPECT_EQ(fixture.Get("t11")->result().data().size(), static_cast<size_t>(kMiB));
  EXPECT_EQ(fixture.Get("t9")->result().data().size(), static_cast<size_t>(kMiB)) << "as many as fit";
  if (!fixture.survives()) return;
  fixture.Reopen();
  EXPECT_LE(fixture.store().MemoryBytes(), 5 * kMiB);
  EXPECT_EQ(fixture.Get("t0")->result().data().size(), static_cast<size_t>(kMiB));
}

TEST_P(StoreConformance, WhatEndedTasksWereAskedIsBounded) {
  StoreFixture fixture(GetParam(), WithMemory(16 * kMiB));
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(fixture.Submit(Large(absl::StrCat("t", i), kMiB / 2)).ok());
    ASSERT_EQ(fixture.RunOne(), absl::StrCat("t", i));
    EXPECT_LE(fixture.store().MemoryBytes(), 5 * kMiB);
  }
  EXPECT_EQ(fixture.State("t19"), v1::TASK_STATE_SUCCEEDED);
}

TEST_P(StoreConformance, AQueueThatTakesTheMemoryIsRefusedAndOthersAreNot) {
  StoreOptions options = WithMemory(16 * kMiB);  // 6 MiB for tasks that have not ended.
  StoreFixture fixture(GetParam(), options);
  if (fixture.survives()) GTEST_SKIP() << "what tasks are to do is on the disk";
  absl::Status refused;
  int taken = 0;
  for (; refused.ok() && taken < 100; ++taken) {
    refused = fixture.Submit(Large(absl::StrCat("t", taken), kMiB / 4)).status();
  }
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_EQ(ReasonOf(refused), "MEMORY_FULL");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("queues/default"));
  EXPECT_GT(taken, 8);
  EXPECT_LE(fixture.store().MemoryBytes(), 4 * kMiB) << "about half of what there is";
  EXPECT_TRUE(fixture.Submit(Large("other", kMiB / 4, "queues/other")).ok());
  // A batch counts as one.
  std::vector<Wanted> batch;
  for (int i = 0; i < 10; ++i) batch.push_back(Large(absl::StrCat("b", i), kMiB / 4, "queues/batch"));
  bool blamed = false;
  for (const auto& result : fixture.Submit(batch, SubmitMode::kAllOrNone)) {
    blamed |= ReasonOf(result.status()) == "MEMORY_FULL";
  }
  EXPECT_TRUE(blamed);
  // What ends makes room.
  ASSERT_TRUE(fixture.Purge("queues/default").ok());
  EXPECT_TRUE(fixture.Submit(Large("again", kMiB / 4)).ok());
}

TEST_P(StoreConformance, ARetriedTaskNeedsRoomInTheMemory) {
  StoreOptions options = WithMemory(8 * kMiB);  // 3 MiB for tasks that have not ended.
  StoreFixture fixture(GetParam(), options);
  if (fixture.survives()) GTEST_SKIP() << "what tasks are to do is on the disk";
  ASSERT_TRUE(fixture.Submit(Large("first", kMiB)).ok());
  ASSERT_EQ(fixture.RunOne(Verdict::kFailed), "first");
  for (int i = 0; i < 4; ++i) (void)fixture.Submit(Large(absl::StrCat("t", i), kMiB / 3));
  EXPECT_EQ(ReasonOf(fixture.Retry("first").status()), "MEMORY_FULL");
  ASSERT_TRUE(fixture.Purge("queues/default").ok());
  EXPECT_TRUE(fixture.Retry("first").ok());
}

TEST_P(StoreConformance, AnOutputThatIsTooLargeForTheMemoryIsRefused) {
  StoreFixture fixture(GetParam(), WithMemory(64 * kMiB));
  const auto with_output = [](int64_t bytes) {
    return StoreFixture::LuaWith("t",
                                 [&](v1::Task& task) { task.mutable_limits()->set_output_bytes(bytes); });
  };
  const absl::Status refused = fixture.Submit(with_output(4 * kMiB + 1)).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("task.limits.output_bytes"));
  EXPECT_TRUE(fixture.Submit(with_output(4 * kMiB)).ok());
}

TEST_P(StoreConformance, EventsOfARunningTaskAreBoundedInBytesAndTheOldestGo) {
  StoreOptions options;
  options.max_task_event_bytes = kMiB;
  StoreFixture fixture(GetParam(), options);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("t")).ok());
  const Lease lease = fixture.Claim()[0].lease;
  for (int i = 0; i < 100; ++i) fixture.Log(lease, std::string(64 << 10, 'x'));
  EXPECT_LE(fixture.store().MemoryBytes(), 2 * kMiB);
  const EventBatch batch = fixture.Events("t", 0).value().value();
  ASSERT_FALSE(batch.events.empty());
  EXPECT_GT(batch.events.front()->sequence(), 80);
  EXPECT_TRUE(absl::IsOutOfRange(fixture.Events("t", 10)->status()));
  // One that is larger is kept alone.
  fixture.Log(lease, std::string(2 * kMiB, 'x'));
  EXPECT_EQ(fixture.Events("t", 0).value()->events.size(), 1u);
}

TEST_P(StoreConformance, WhereMemoryIsShortTheEventsOfATaskDoNotGrow) {
  StoreFixture fixture(GetParam(), WithMemory(8 * kMiB));  // 3 MiB for tasks that have not ended.
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(absl::StrCat("t", i))).ok());
  for (int i = 0; i < 10; ++i) {
    const Lease lease = fixture.Claim()[0].lease;
    for (int line = 0; line < 64; ++line) fixture.Log(lease, std::string(16 << 10, 'x'));
  }
  EXPECT_LE(fixture.store().MemoryBytes(), 4 * kMiB);
  const EventBatch latest = fixture.Events("t9", 0).value().value();
  EXPECT_EQ(latest.events.back()->sequence(), 66) << "the latest is always there";
}

TEST_P(StoreConformance, EventsOfWatchedQueuesAreBoundedInBytes) {
  StoreFixture fixture(GetParam(), WithMemory(8 * kMiB));  // 1 MiB of these.
  const int64_t start = (**fixture.QueueEvents("queues/default", 0)).position;
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("t")).ok());
  const Lease lease = fixture.Claim()[0].lease;
  for (int i = 0; i < 100; ++i) fixture.Log(lease, std::string(64 << 10, 'x'));
  EXPECT_TRUE(absl::IsOutOfRange(fixture.QueueEvents("queues/default", start)->status()));
  EXPECT_LE(fixture.store().MemoryBytes(), 5 * kMiB);
}

TEST_P(StoreConformance, AReaderGetsSoManyBytesAtATimeAndAtLeastOneEvent) {
  StoreFixture fixture(GetParam());
  const int64_t start = (**fixture.QueueEvents("queues/default", 0)).position;
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("t")).ok());
  const Lease lease = fixture.Claim()[0].lease;
  for (const size_t size : {600, 600, 5'000, 10}) fixture.Log(lease, std::string(size, 'x'));
  std::vector<size_t> batches;
  for (int64_t after = 0; after < 6;) {
    const auto batch = StoreFixture::Await<absl::StatusOr<EventBatch>>([&](auto done) {
      fixture.store().Watch({"queues/default/tasks/t", after, 100, 1'000}, std::move(done));
    });
    ASSERT_TRUE(batch.ok()) << batch.status();
    batches.push_back(batch->events.size());
    after = batch->events.back()->sequence();
  }
  EXPECT_EQ(batches, (std::vector<size_t>{3, 1, 1, 1}));
  batches.clear();
  for (int64_t after = start; after < start + 6;) {
    const auto batch = StoreFixture::Await<absl::StatusOr<QueueEventBatch>>([&](auto done) {
      fixture.store().WatchQueue({"queues/default", after, 100, 1'000}, std::move(done));
    });
    ASSERT_TRUE(batch.ok()) << batch.status();
    batches.push_back(batch->events.size());
    after = batch->position;
  }
  EXPECT_EQ(batches, (std::vector<size_t>{3, 1, 1, 1}));
}

TEST_P(StoreConformance, TheOldestRequestIdsAreForgottenWhereTheyTakeTooMuch) {
  StoreFixture fixture(GetParam(), WithMemory(kMiB / 4));  // 32 KiB of these.
  ASSERT_TRUE(fixture.Submit(StoreFixture::Request("first", "first")).ok());
  ASSERT_EQ(fixture.RunOne(), "first");
  for (int i = 0; i < 1'000; ++i) {
    const std::string id = absl::StrCat("t", i);
    ASSERT_TRUE(fixture.Submit(StoreFixture::Request(id, id)).ok());
    ASSERT_EQ(fixture.RunOne(), id);
    EXPECT_LE(fixture.store().MemoryBytes(), kMiB / 4);
  }
  EXPECT_EQ(fixture.Submit(StoreFixture::Request("other", "t999"))->name(), "queues/default/tasks/t999");
  EXPECT_EQ(fixture.Submit(StoreFixture::Request("other", "first"))->name(), "queues/default/tasks/other");
}

TEST_P(StoreConformance, WhatWasCountedComesBackToNothing) {
  StoreFixture fixture(GetParam());
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(fixture.store().MemoryBytes(), 0);
    const int64_t start = (**fixture.QueueEvents("queues/q", 0)).position;
    EXPECT_GT(start, 0);
    ASSERT_TRUE(fixture.PutScript("scripts/s", "return 1").ok());
    for (const char* queue : {"queues/default", "queues/q"}) {
      for (const char* id : {"a", "b", "c", "d"})
        ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(id, queue)).ok());
      ASSERT_TRUE(fixture.Submit(StoreFixture::Scripted("s", "scripts/s", queue)).ok());
      ASSERT_TRUE(fixture.Submit(StoreFixture::Request("r", "r", queue)).ok());
      Wanted late = StoreFixture::LuaWith(
          "late",
          [&](v1::Task& task) {
            *task.mutable_schedule_time() = task::ToProto(fixture.now() + absl::Hours(3));
            *task.mutable_expire_time() = task::ToProto(fixture.now() + absl::Hours(4));
            task.set_ordering_key("key");
          },
          queue);
      ASSERT_TRUE(fixture.Submit(std::move(late)).ok());
    }
    const auto claimed = fixture.Claim(6);
    ASSERT_EQ(claimed.size(), 6u);
    ASSERT_TRUE(fixture.SubmitAs(claimed[0].lease, StoreFixture::Lua("child")).ok());
    for (int i = 0; i < 10; ++i) fixture.Progress(claimed[0].lease, i);
    for (int i = 0; i < 10; ++i) fixture.Log(claimed[1].lease, "line");
    const Verdict verdicts[] = {Verdict::kSucceeded, Verdict::kFailed,    Verdict::kRetry,
                                Verdict::kReleased,  Verdict::kCancelled, Verdict::kRetry};
    for (size_t i = 0; i < 6; ++i) ASSERT_TRUE(fixture.Finish(claimed[i].lease, verdicts[i]).ok());
    (void)fixture.Cancel("d");
    (void)fixture.Retry("d");
    if (fixture.survives() && round == 1) {
      const int64_t before = fixture.store().MemoryBytes();
      fixture.Reopen();
      EXPECT_GT(fixture.store().MemoryBytes(), before / 2);
    }
    EXPECT_GT(fixture.store().MemoryBytes(), 4'000);
    for (const char* queue : {"queues/default", "queues/q"}) (void)fixture.Purge(queue);
    while (!fixture.RunOne().empty()) {
    }
    ASSERT_TRUE(fixture.DeleteScript("scripts/s").ok());
    fixture.Advance(absl::Hours(2));  // Longer than ended tasks and request ids are kept.
    fixture.Advance(absl::Hours(2));
  }
  EXPECT_EQ(fixture.store().MemoryBytes(), 0);
}

}  // namespace
}  // namespace errand::store
