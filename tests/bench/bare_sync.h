#ifndef ERRAND_TESTS_BENCH_BARE_SYNC_H_
#define ERRAND_TESTS_BENCH_BARE_SYNC_H_

#include "absl/time/time.h"
#include "tests/bench/measurement.h"

namespace errand::bench {

// What the disk gives: writes of 4 KiB, each with its fdatasync, into a file that is as large as it will be.
Measurement MeasureBareSync(absl::Duration duration);

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_BARE_SYNC_H_
