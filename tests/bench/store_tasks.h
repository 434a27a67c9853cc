#ifndef ERRAND_TESTS_BENCH_STORE_TASKS_H_
#define ERRAND_TESTS_BENCH_STORE_TASKS_H_

#include "tests/bench/durable_load.h"
#include "tests/bench/measurement.h"

namespace errand::bench {

// The durable store by itself, in this process: Submit of one task a call, Claim, Finish; the next when
// Finish says that it is safe. The CPU time is that of the whole process, what makes the tasks included.
Measurement MeasureStoreTasks(const DurableLoad& load);

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_STORE_TASKS_H_
