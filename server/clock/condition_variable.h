#ifndef ERRAND_SERVER_CLOCK_CONDITION_VARIABLE_H_
#define ERRAND_SERVER_CLOCK_CONDITION_VARIABLE_H_

#include <condition_variable>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/clock/instant.h"

namespace errand::clock {

// An absl::CondVar whose deadlines stand on the monotonic clock. Those of Abseil's own waits, timeouts
// included, are turned into times of day: while a wall clock that was set back catches up, they do not end.
class ConditionVariable {
 public:
  // Waits until it is signalled, or for no reason.
  void Wait(absl::Mutex* mu) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  // The same, or until `deadline`.
  void WaitUntil(absl::Mutex* mu, Instant deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);

  // Any thread, with the mutex or without it.
  void Signal() { condition_.notify_one(); }
  void SignalAll() { condition_.notify_all(); }

 private:
  std::condition_variable_any condition_;
};

}  // namespace errand::clock

#endif  // ERRAND_SERVER_CLOCK_CONDITION_VARIABLE_H_
