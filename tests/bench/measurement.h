#ifndef ERRAND_TESTS_BENCH_MEASUREMENT_H_
#define ERRAND_TESTS_BENCH_MEASUREMENT_H_

#include <cstdint>
#include <vector>

namespace errand::bench {

// What one measurement gave. An item is a call or a message.
struct Measurement {
  double items_per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
  double server_cpu_us = 0;   // An item.
  double sandbox_cpu_us = 0;  // An item, of the server's child processes.
  double written_bytes = 0;   // An item, to files.
};

using Rounds = std::vector<Measurement>;
using Figure = double Measurement::*;

// The value below which a part, 0 to 1, of the values lies; 0 of none. Reorders them.
double Percentile(std::vector<float>& values, double part);

// A figure's median over the rounds.
double Median(const Rounds& rounds, Figure figure);

// The median of a figure's ratio to that of the base in the same round: what disturbs a round disturbs both.
double MedianRatio(const Rounds& rounds, const Rounds& base, Figure figure);

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_MEASUREMENT_H_
