#ifndef ERRAND_TESTS_BENCH_STREAMED_TASKS_H_
#define ERRAND_TESTS_BENCH_STREAMED_TASKS_H_

#include "tests/bench/durable_load.h"
#include "tests/bench/measurement.h"
#include "tests/bench/options.h"

namespace errand::bench {

// errandd --data_dir over gRPC: a SubmitTasks stream hands scripts over, a WatchQueue stream says which have
// succeeded, and a frame of as many new ones follows at once. A submission's time is that of its frame.
Measurement MeasureStreamedTasks(const Options& options, const DurableLoad& load);

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_STREAMED_TASKS_H_
