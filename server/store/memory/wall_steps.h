#ifndef ERRAND_SERVER_STORE_MEMORY_WALL_STEPS_H_
#define ERRAND_SERVER_STORE_MEMORY_WALL_STEPS_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "server/clock/moment.h"

namespace errand::store {

// From which position in the store on the wall clock was how far from the monotonic one. A task that waits
// has the time of day at which it was queued and a position, but no instant: a million of them wait. This
// tells it.
class WallSteps {
 public:
  // Is told of each moment that the store looks at; positions from `next_position` on are given then or
  // later.
  void Look(const clock::Moment& now, uint64_t next_position) {
    if (!steps_.empty() &&
        absl::AbsDuration(now.TimeOf(clock::Instant()) - steps_.back().zero) < kTolerance) {
      return;
    }
    if (!steps_.empty() && steps_.back().position == next_position) steps_.pop_back();
    // What is forgotten only makes ages wrong that clients see.
    if (steps_.size() == kMaxSteps) steps_.erase(steps_.begin(), steps_.begin() + kMaxSteps / 2);
    steps_.push_back({next_position, now.TimeOf(clock::Instant())});
  }

  // When the wall clock showed `time`, as `position` was given.
  clock::Instant InstantOf(absl::Time time, uint64_t position) const {
    const auto after =
        std::upper_bound(steps_.begin(), steps_.end(), position,
                         [](uint64_t wanted, const Step& step) { return wanted < step.position; });
    const Step& step = after == steps_.begin() ? *after : *(after - 1);
    return clock::Instant() + (time - step.zero);
  }

 private:
  struct Step {
    uint64_t position;
    absl::Time zero;  // What the wall clock would have shown when the monotonic one began.
  };

  // A clock that NTP makes go slower or faster for a while is no step, until it has come to this.
  static constexpr absl::Duration kTolerance = absl::Milliseconds(100);
  static constexpr size_t kMaxSteps = 1'000;

  std::vector<Step> steps_;  // By position; not empty once Look was called.
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_WALL_STEPS_H_
