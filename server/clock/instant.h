#ifndef ERRAND_SERVER_CLOCK_INSTANT_H_
#define ERRAND_SERVER_CLOCK_INSTANT_H_

#include <time.h>

#include <chrono>
#include <compare>
#include <cstdint>
#include <limits>

#include "absl/time/time.h"

namespace errand::clock {

// A moment on the monotonic clock, which nobody sets: what a duration is measured from, and where a deadline
// stands. An absl::Time is a time of day, read off the wall clock, which is set now and then, by hand, by
// NTP, or when a virtual machine goes on. There is no way from one to the other but Moment's, so that what
// waits for a duration cannot be made to wait by the wall clock.
//
// The monotonic clock begins anew with each boot of the machine: an Instant is neither kept nor sent.
class Instant {
 public:
  // Where the clock began.
  constexpr Instant() = default;

  static constexpr Instant InfinitePast() { return Instant(std::numeric_limits<int64_t>::min()); }
  static constexpr Instant InfiniteFuture() { return Instant(std::numeric_limits<int64_t>::max()); }

  static Instant Now() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return Instant(now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec);
  }

  bool is_infinite() const { return *this == InfinitePast() || *this == InfiniteFuture(); }
  // For those who wait with the standard library, or send it to a process of ours.
  std::chrono::steady_clock::time_point ToChrono() const {
    return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(nanos_));
  }

  friend constexpr auto operator<=>(Instant, Instant) = default;

  // What is infinite stays so, and what would be too large is infinite.
  friend Instant operator+(Instant instant, absl::Duration duration) {
    if (instant.is_infinite()) return instant;
    if (duration == absl::InfiniteDuration()) return InfiniteFuture();
    if (duration == -absl::InfiniteDuration()) return InfinitePast();
    int64_t nanos;
    // A duration of more nanoseconds than there are is taken for the most there are.
    if (__builtin_add_overflow(instant.nanos_, absl::ToInt64Nanoseconds(duration), &nanos)) {
      return duration > absl::ZeroDuration() ? InfiniteFuture() : InfinitePast();
    }
    return Instant(nanos);
  }
  friend Instant operator-(Instant instant, absl::Duration duration) { return instant + -duration; }
  Instant& operator+=(absl::Duration duration) { return *this = *this + duration; }

  friend absl::Duration operator-(Instant later, Instant earlier) {
    if (later == earlier) return absl::ZeroDuration();
    if (later == InfiniteFuture() || earlier == InfinitePast()) return absl::InfiniteDuration();
    if (later == InfinitePast() || earlier == InfiniteFuture()) return -absl::InfiniteDuration();
    return absl::Nanoseconds(later.nanos_) - absl::Nanoseconds(earlier.nanos_);
  }

 private:
  explicit constexpr Instant(int64_t nanos) : nanos_(nanos) {}

  int64_t nanos_ = 0;
};

}  // namespace errand::clock

#endif  // ERRAND_SERVER_CLOCK_INSTANT_H_
