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
  store.Claim({task::HandlerKind::kLua, 1, absl::Seconds(30), &holder, ""}, [&](auto tasks) {
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

}  // namespace
}  // namespace errand::store
