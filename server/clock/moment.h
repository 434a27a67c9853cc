#ifndef ERRAND_SERVER_CLOCK_MOMENT_H_
#define ERRAND_SERVER_CLOCK_MOMENT_H_

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/clock/instant.h"

namespace errand::clock {

// Both clocks, read together. Who measures takes the instant; who tells somebody the time of day, or waits
// for one that somebody gave, takes the time.
struct Moment {
  static Moment Now() { return {Instant::Now(), absl::Now()}; }

  // What the wall clock would show at an instant, and the other way round, if nobody set it meanwhile. For
  // telling when something is due, and for what was kept while no process measured it.
  absl::Time TimeOf(Instant other) const { return time + (other - instant); }
  Instant InstantOf(absl::Time other) const { return instant + (other - time); }

  Instant instant;
  absl::Time time;
};

}  // namespace errand::clock

#endif  // ERRAND_SERVER_CLOCK_MOMENT_H_
