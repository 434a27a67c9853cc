#include "server/sandbox/cpu_clock.h"

#include <time.h>

#include <algorithm>

namespace errand::sandbox {
namespace {

int64_t NanosOf(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

}  // namespace

int64_t CpuClock::Now() {
  const int64_t now = NanosOf(CLOCK_MONOTONIC);
  if (now - synced_at_ >= kTrustedNanos) {
    synced_at_ = now;
    synced_ = Exact();
  }
  last_ = std::max(last_, synced_ + now - synced_at_);
  return last_;
}

int64_t CpuClock::Exact() { return NanosOf(CLOCK_PROCESS_CPUTIME_ID); }

}  // namespace errand::sandbox
