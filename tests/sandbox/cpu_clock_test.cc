#include "server/sandbox/cpu_clock.h"

#include <gtest/gtest.h>
#include <time.h>

namespace errand::sandbox {
namespace {

TEST(CpuClock, NeverGoesBackAndIsLittleAheadOfTheKernels) {
  constexpr int64_t kTrustedNanos = 200'000;
  CpuClock clock;
  int64_t last = 0;
  for (int i = 0; i < 200'000; ++i) {
    const int64_t now = clock.Now();
    ASSERT_GE(now, last);
    ASSERT_LE(now, CpuClock::Exact() + kTrustedNanos);
    last = now;
    if (i % 20'000 != 0) continue;
    // Waiting is no CPU time; what it was taken for does not count a second time.
    const timespec wait = {0, 100'000};
    nanosleep(&wait, nullptr);
  }
}

TEST(CpuClock, CountsNoWaitingOnceItIsSynced) {
  CpuClock clock;
  for (int i = 0; i < 20; ++i) {
    const timespec wait = {0, 10'000'000};
    nanosleep(&wait, nullptr);
    clock.Sync();
    const int64_t now = clock.Now();
    ASSERT_LE(now, CpuClock::Exact());
  }
}

}  // namespace
}  // namespace errand::sandbox
