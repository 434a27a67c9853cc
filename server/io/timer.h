#ifndef ERRAND_SERVER_IO_TIMER_H_
#define ERRAND_SERVER_IO_TIMER_H_

#include <cstddef>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "server/clock/instant.h"
#include "server/io/loop.h"

namespace errand::io {

// Calls a function after a while, once for each Set, by the monotonic clock. All calls on the loop's thread.
// Destroying the timer cancels it; the function may do that.
class Timer {
 public:
  // `loop` is borrowed and must outlive the timer.
  Timer(Loop* loop, absl::AnyInvocable<void()> on_expiry) : loop_(loop), on_expiry_(std::move(on_expiry)) {}
  ~Timer() {
    Cancel();
    if (destroyed_ != nullptr) *destroyed_ = true;
  }

  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Replaces what was set before. absl::InfiniteDuration() never comes.
  void Set(absl::Duration delay) {
    Cancel();
    if (delay == absl::InfiniteDuration()) return;
    deadline_ = clock::Instant::Now() + delay;
    loop_->Schedule(this);
  }

  void Cancel() {
    if (is_set()) loop_->Unschedule(this);
  }

  bool is_set() const { return heap_index_ != kNotInHeap; }

 private:
  friend class Loop;
  static constexpr size_t kNotInHeap = static_cast<size_t>(-1);

  Loop* const loop_;
  absl::AnyInvocable<void()> on_expiry_;
  clock::Instant deadline_;
  size_t heap_index_ = kNotInHeap;
  bool* destroyed_ = nullptr;  // Set while on_expiry_ runs: where to say that the timer is gone.
};

}  // namespace errand::io

#endif  // ERRAND_SERVER_IO_TIMER_H_
