#ifndef ERRAND_TESTS_CRASH_KILL_H_
#define ERRAND_TESTS_CRASH_KILL_H_

#include <signal.h>

#include <atomic>

#include "absl/synchronization/notification.h"
#include "tests/end_to_end/server_process.h"

namespace errand {

// The kill of a round: by whoever is the first to want it. Any thread.
class Kill {
 public:
  // `server` is borrowed; nobody waits for its end before the last call.
  explicit Kill(const ServerProcess& server) : server_(server) {}

  void Now() {
    if (begun_.exchange(true)) return;
    server_.Signal(SIGKILL);
    done_.Notify();
  }
  // From just before the signal on.
  bool begun() const { return begun_; }
  void NowUnlessDoneWithin(absl::Duration time) {
    if (!done_.WaitForNotificationWithTimeout(time)) Now();
  }

 private:
  const ServerProcess& server_;
  std::atomic<bool> begun_ = false;
  absl::Notification done_;
};

}  // namespace errand

#endif  // ERRAND_TESTS_CRASH_KILL_H_
