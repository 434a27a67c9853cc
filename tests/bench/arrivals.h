#ifndef ERRAND_TESTS_BENCH_ARRIVALS_H_
#define ERRAND_TESTS_BENCH_ARRIVALS_H_

#include "absl/time/time.h"
#include "tests/bench/load.h"
#include "tests/bench/measurement.h"
#include "tests/bench/server_process.h"

namespace errand::bench {

// An open loop: calls start at a fixed rate, whatever becomes of those before.
struct Arrivals {
  int per_second = 100;
  int connections = 4;
  absl::Duration warm_up;
  absl::Duration duration;
};

// Puts the load on the server. Fails when a call fails.
Measurement MeasureArrivals(const ServerProcess& server, const Arrivals& arrivals,
                            const MakeCaller& make_caller);

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_ARRIVALS_H_
