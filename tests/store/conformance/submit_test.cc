#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/store/conformance/store_fixture.h"

namespace errand::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_P(StoreConformance, ATakenIdIsRefusedAndChangesNothing) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(fixture.Submit(StoreFixture::Lua("a")).status()));
  EXPECT_EQ(fixture.Claim(9).size(), 1u);
}

TEST_P(StoreConformance, ARepeatedRequestReturnsTheFirstTaskWhileItIsRemembered) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Request("a", "r")).ok());
  EXPECT_EQ(fixture.Submit(StoreFixture::Request("b", "r"))->name(), "queues/default/tasks/a");
  EXPECT_EQ(fixture.Submit(StoreFixture::Request("c", "r", "queues/other"))->name(), "queues/other/tasks/c");
  fixture.Advance(absl::Minutes(11));
  EXPECT_EQ(fixture.Submit(StoreFixture::Request("b", "r"))->name(), "queues/default/tasks/b");
}

TEST_P(StoreConformance, AFinishedTaskIsNotRunAgainByARepeatedRequestEvenWhenForgotten) {
  StoreOptions options;
  options.max_ended_tasks = 0;
  StoreFixture fixture(GetParam(), options);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Request("a", "r")).ok());
  ASSERT_TRUE(fixture.Finish(fixture.Claim()[0].lease, Verdict::kSucceeded).ok());
  ASSERT_TRUE(absl::IsNotFound(fixture.Get("a").status()));
  EXPECT_TRUE(absl::IsAlreadyExists(fixture.Submit(StoreFixture::Request("a", "r")).status()));
}

TEST_P(StoreConformance, AFullQueueRefusesByCountAndTakesMoreWhenATaskEnds) {
  StoreOptions options;
  options.max_queue_tasks = 2;
  StoreFixture fixture(GetParam(), options);
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

TEST_P(StoreConformance, AFullQueueRefusesByBytes) {
  StoreOptions options;
  options.max_queue_bytes = 1000;
  StoreFixture fixture(GetParam(), options);
  const auto big = [](auto& task) { task.mutable_lua()->set_text(std::string(800, 'x')); };
  ASSERT_TRUE(fixture.Submit(StoreFixture::LuaWith("a", big)).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(fixture.Submit(StoreFixture::LuaWith("b", big)).status()));
  EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("c")).ok());
}

std::vector<Wanted> Batch(std::initializer_list<const char*> ids) {
  std::vector<Wanted> batch;
  for (const char* id : ids) batch.push_back(StoreFixture::Lua(id));
  return batch;
}

TEST_P(StoreConformance, AnAtomicBatchIsQueuedInItsOrder) {
  StoreFixture fixture(GetParam());
  const auto results = fixture.Submit(Batch({"a", "b", "c"}), SubmitMode::kAllOrNone);
  ASSERT_EQ(results.size(), 3u);
  for (const auto& result : results) EXPECT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(Ids(fixture.Claim(9)), ElementsAre("a", "b", "c"));
}

TEST_P(StoreConformance, AnAtomicBatchWithATakenIdQueuesNothingAndSaysWhichIsToBlame) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("b")).ok());
  const auto results = fixture.Submit(Batch({"a", "b", "c"}), SubmitMode::kAllOrNone);
  EXPECT_TRUE(absl::IsCancelled(results[0].status()));
  EXPECT_TRUE(absl::IsAlreadyExists(results[1].status()));
  EXPECT_TRUE(absl::IsCancelled(results[2].status()));
  EXPECT_THAT(Ids(fixture.Claim(9)), ElementsAre("b"));
}

TEST_P(StoreConformance, AnAtomicBatchThatNamesAnIdTwiceQueuesNothing) {
  StoreFixture fixture(GetParam());
  const auto results = fixture.Submit(Batch({"a", "a"}), SubmitMode::kAllOrNone);
  EXPECT_TRUE(absl::IsAlreadyExists(results[1].status()));
  EXPECT_TRUE(fixture.Claim(9).empty());
}

TEST_P(StoreConformance, AnAtomicBatchThatDoesNotFitQueuesNothing) {
  StoreOptions options;
  options.max_queue_tasks = 2;
  StoreFixture fixture(GetParam(), options);
  const auto results = fixture.Submit(Batch({"a", "b", "c"}), SubmitMode::kAllOrNone);
  EXPECT_TRUE(absl::IsResourceExhausted(results[2].status()));
  EXPECT_TRUE(fixture.Claim(9).empty());
  EXPECT_TRUE(fixture.Submit(Batch({"a", "b"}), SubmitMode::kAllOrNone)[1].ok());
}

TEST_P(StoreConformance, AnAtomicBatchThatIsRefusedLeavesNoQueueBehind) {
  StoreOptions options;
  options.max_queue_tasks = 2;
  StoreFixture fixture(GetParam(), options);
  std::vector<Wanted> batch;
  for (const char* id : {"a", "b", "c", "d"}) batch.push_back(StoreFixture::Lua(id, "queues/new"));
  const auto results = fixture.Submit(batch, SubmitMode::kAllOrNone);
  EXPECT_TRUE(absl::IsCancelled(results[1].status()));
  EXPECT_TRUE(absl::IsResourceExhausted(results[2].status()));
  EXPECT_TRUE(absl::IsNotFound(fixture.GetQueue("queues/new").status()));
}

TEST_P(StoreConformance, ARepeatedAtomicBatchReturnsTheTasksOfTheFirst) {
  StoreFixture fixture(GetParam());
  for (int round = 0; round < 2; ++round) {
    std::vector<Wanted> batch;
    batch.push_back(StoreFixture::Request(absl::StrCat("a", round), "r1"));
    batch.push_back(StoreFixture::Request(absl::StrCat("b", round), "r2"));
    batch.push_back(StoreFixture::Request(absl::StrCat("c", round), "r2"));
    const auto results = fixture.Submit(batch, SubmitMode::kAllOrNone);
    EXPECT_EQ(results[0]->name(), "queues/default/tasks/a0");
    EXPECT_EQ(results[1]->name(), "queues/default/tasks/b0");
    EXPECT_EQ(results[2]->name(), "queues/default/tasks/b0") << "the same request within a batch";
  }
  EXPECT_EQ(fixture.Claim(9).size(), 2u);
}

TEST_P(StoreConformance, ValidateOnlyAnswersAsIfAndChangesNothing) {
  StoreFixture fixture(GetParam());
  auto submission = StoreFixture::Request("a", "r", "queues/new");
  submission.validate_only = true;
  const auto task = fixture.Submit(std::move(submission));
  EXPECT_EQ(task->state(), v1::TASK_STATE_QUEUED);
  EXPECT_EQ(task->limits().memory_bytes(), 64 << 20);
  EXPECT_TRUE(absl::IsNotFound(fixture.GetQueue("queues/new").status()));
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  auto taken = StoreFixture::Lua("a");
  taken.validate_only = true;
  EXPECT_TRUE(absl::IsAlreadyExists(fixture.Submit(std::move(taken)).status()));
}

TEST_P(StoreConformance, AQueueFillsInWhatATaskLeavesOpen) {
  StoreFixture fixture(GetParam());
  v1::Queue queue;
  queue.set_name("queues/default");
  queue.mutable_default_retry_policy()->set_max_attempts(7);
  queue.mutable_default_limits()->set_memory_bytes(2 << 20);
  ASSERT_TRUE(fixture.Update(queue).ok());
  const auto open = fixture.Submit(StoreFixture::Lua("open"));
  EXPECT_EQ(open->retry_policy().max_attempts(), 7);
  EXPECT_EQ(open->limits().memory_bytes(), 2 << 20);
  EXPECT_GT(open->limits().output_bytes(), 0) << "the server's default";
  EXPECT_GT(open->run_timeout().seconds(), 0) << "the server's default";
  const auto own = fixture.Submit(StoreFixture::LuaWith("own", [](auto& task) {
    task.mutable_retry_policy()->set_max_attempts(1);
    task.mutable_limits()->set_memory_bytes(4 << 20);
  }));
  EXPECT_EQ(own->retry_policy().max_attempts(), 1);
  EXPECT_EQ(own->limits().memory_bytes(), 4 << 20);
}
}  // namespace
}  // namespace errand::store
