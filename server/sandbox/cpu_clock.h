#ifndef ERRAND_SERVER_SANDBOX_CPU_CLOCK_H_
#define ERRAND_SERVER_SANDBOX_CPU_CLOCK_H_

#include <cstdint>

namespace errand::sandbox {

// The process's CPU time, mostly without a system call: for a short while after each reading of the kernel's
// clock the monotonic one, which is read in user space, stands in for it.
class CpuClock {
 public:
  // Nanoseconds. Never goes back; after Sync at most kTrustedNanos ahead, if the process had to wait
  // meanwhile.
  int64_t Now();

  // Reads the kernel's clock with the next Now; for when the process has waited.
  void Sync() { synced_at_ = kNever; }

  // What the kernel says. Callable from a signal handler.
  static int64_t Exact();

 private:
  static constexpr int64_t kTrustedNanos = 200'000;
  static constexpr int64_t kNever = -kTrustedNanos;

  int64_t synced_at_ = kNever;  // By the monotonic clock.
  int64_t synced_ = 0;
  int64_t last_ = 0;
};

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_CPU_CLOCK_H_
