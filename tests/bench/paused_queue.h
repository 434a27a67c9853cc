#ifndef ERRAND_TESTS_BENCH_PAUSED_QUEUE_H_
#define ERRAND_TESTS_BENCH_PAUSED_QUEUE_H_

#include "tests/bench/server_process.h"

namespace errand::bench {

// From now on errandd takes tasks for queues/default and starts none.
void PauseDefaultQueue(const ServerProcess& server);

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_PAUSED_QUEUE_H_
