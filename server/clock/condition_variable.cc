#include "server/clock/condition_variable.h"

namespace errand::clock {
namespace {

// A mutex as the standard library wants it.
class Lockable {
 public:
  explicit Lockable(absl::Mutex* mu) : mu_(*mu) {}
  void lock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mu_.Lock(); }
  void unlock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mu_.Unlock(); }

 private:
  absl::Mutex& mu_;
};

}  // namespace

void ConditionVariable::Wait(absl::Mutex* mu) {
  Lockable lockable(mu);
  condition_.wait(lockable);
}

void ConditionVariable::WaitUntil(absl::Mutex* mu, Instant deadline) {
  if (deadline == Instant::InfiniteFuture()) return Wait(mu);
  Lockable lockable(mu);
  // The standard library gives the kernel the clock of the deadline.
  condition_.wait_until(lockable, deadline.ToChrono());
}

}  // namespace errand::clock
