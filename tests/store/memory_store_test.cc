#include <gtest/gtest.h>

#include "absl/synchronization/mutex.h"
#include "tests/store/memory_store_factory.h"

namespace errand::store {
namespace {

INSTANTIATE_TEST_SUITE_P(Memory, StoreConformance, ::testing::Values(MakeMemoryStore),
                         [](const auto&) { return "MemoryStore"; });

TEST(MemoryStore, TheAlarmThreadStartsAScheduledTaskByTheRealClock) {
  MemoryStore store{StoreOptions()};
  absl::Mutex mu;
  bool started = false;
  StoreFixture holder(MakeMemoryStore);
  store.Claim({task::HandlerKind::kLua, {}, absl::Seconds(30), &holder, ""}, [&](auto tasks) {
    absl::MutexLock lock(&mu);
    started = tasks.size() == 1;
  });
  const Wanted wanted = StoreFixture::LuaWith("a", [](auto& task) {
    *task.mutable_schedule_time() = task::ToProto(absl::Now() + absl::Milliseconds(20));
  });
  store.Submit({wanted.submission()}, SubmitMode::kEach, [](auto) {});
  absl::MutexLock lock(&mu);
  EXPECT_TRUE(mu.AwaitWithTimeout(absl::Condition(&started), absl::Seconds(30)));
}

TEST(MemoryStore, ABatchForgetsOldRequestIdsThoughNoAlarmIsDue) {
  StoreOptions options;
  clock::Moment now = clock::Moment::Now();
  options.clock = [&] { return now; };
  MemoryStore store(options);
  const auto submit = [&](const std::string& id) {
    const Wanted wanted = StoreFixture::Request(id, "r");
    store.Submit({wanted.submission()}, SubmitMode::kAllOrNone,
                 [](auto statuses) { EXPECT_TRUE(statuses[0].ok()) << statuses[0]; });
    return wanted.task->name();
  };
  EXPECT_EQ(submit("a"), "queues/default/tasks/a");
  EXPECT_EQ(submit("b"), "queues/default/tasks/a");
  now.instant += options.request_id_window + absl::Seconds(1);
  EXPECT_EQ(submit("c"), "queues/default/tasks/c");
}

}  // namespace
}  // namespace errand::store
