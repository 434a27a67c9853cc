#ifndef ERRAND_TESTS_BENCH_FAILURE_H_
#define ERRAND_TESTS_BENCH_FAILURE_H_

#include "absl/strings/string_view.h"

namespace errand::bench {

// Says why there is nothing to measure and ends the process, and the servers with it. Any thread.
[[noreturn]] void Fail(absl::string_view why);

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_FAILURE_H_
