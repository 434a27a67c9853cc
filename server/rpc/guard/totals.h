#ifndef ERRAND_SERVER_RPC_GUARD_TOTALS_H_
#define ERRAND_SERVER_RPC_GUARD_TOTALS_H_

#include <atomic>
#include <cstdint>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/guard/allowance.h"

namespace errand::rpc {

// What clients may take of the server's memory beside what it has answered.
struct GuardLimits {
  int streams_of_connection = 1000;
  // Of all connections together:
  int64_t streams = 4096;
  int64_t unanswered_bytes = int64_t{64} << 20;  // Of messages.
  int64_t abandoned_bytes = int64_t{20} << 20;   // Of streams reset without an answer, and again each second.
};

// What all connections hold together. Any thread.
class Totals {
 public:
  explicit Totals(const GuardLimits& limits)
      : limits_(limits),
        abandoned_(static_cast<double>(limits.abandoned_bytes), static_cast<double>(limits.abandoned_bytes)) {
  }

  // `on_excess` is called when the connections hold more than they may, by the thread that takes them there,
  // and not again before Relieved. It must not block, nor call a meter. It is not called any more once there
  // is another.
  void SetOnExcess(absl::AnyInvocable<void()> on_excess) {
    absl::MutexLock lock(&mu_);
    on_excess_ = std::move(on_excess);
  }

  const GuardLimits& limits() const { return limits_; }

  void AddStreams(int64_t count) {
    if (streams_.fetch_add(count, std::memory_order_relaxed) + count > limits_.streams) Excess();
  }
  void AddUnanswered(int64_t bytes) {
    if (unanswered_.fetch_add(bytes, std::memory_order_relaxed) + bytes > limits_.unanswered_bytes) Excess();
  }
  int64_t streams() const { return streams_.load(std::memory_order_relaxed); }
  int64_t unanswered_bytes() const { return unanswered_.load(std::memory_order_relaxed); }
  bool too_many_streams() const { return streams() > limits_.streams; }
  bool too_much_unanswered() const { return unanswered_bytes() > limits_.unanswered_bytes; }
  // The excess has been dealt with.
  void Relieved() { told_.store(false); }

  // False when streams are abandoned faster than they can be forgotten.
  bool TakeAbandoned(double now, double bytes) {
    absl::MutexLock lock(&mu_);
    return abandoned_.Take(now, bytes);
  }

 private:
  void Excess() {
    if (told_.exchange(true)) return;
    absl::MutexLock lock(&mu_);
    if (on_excess_) on_excess_();
  }

  const GuardLimits limits_;
  std::atomic<int64_t> streams_{0};
  std::atomic<int64_t> unanswered_{0};
  std::atomic<bool> told_{false};
  absl::Mutex mu_;
  Allowance abandoned_ ABSL_GUARDED_BY(mu_);
  absl::AnyInvocable<void()> on_excess_ ABSL_GUARDED_BY(mu_);
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_GUARD_TOTALS_H_
