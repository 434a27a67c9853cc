#ifndef ERRAND_TESTS_BENCH_DURABLE_LOAD_H_
#define ERRAND_TESTS_BENCH_DURABLE_LOAD_H_

#include <cstddef>

#include "absl/time/time.h"

namespace errand::bench {

// A closed loop: so many tasks at a time, each submitted, taken and completed; when one is, the next is
// submitted.
struct DurableLoad {
  int outstanding = 1;
  size_t payload_bytes = 200;
  absl::Duration warm_up;  // At least; WarmUp of durable_store.h says how long it is for Errand.
  absl::Duration duration;
};

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_DURABLE_LOAD_H_
