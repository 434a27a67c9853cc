#ifndef ERRAND_TESTS_BENCH_OPTIONS_H_
#define ERRAND_TESTS_BENCH_OPTIONS_H_

#include <string>

#include "absl/time/time.h"

namespace errand::bench {

struct Options {
  std::string errandd;  // The server.
  std::string sandbox;  // Its errand-sandbox.
  std::string floor;    // errand_bench_floor.
  // How often each measurement is made; what is printed is the median.
  int rounds = 5;
  absl::Duration warm_up = absl::Milliseconds(500);
  absl::Duration duration = absl::Seconds(2);
  bool ten_million = false;  // startup: with so many tasks as well.
  bool whole_week = false;   // week: all of its tasks.
  int soak_minutes = 2;
};

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_OPTIONS_H_
