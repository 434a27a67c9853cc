#ifndef ERRAND_TESTS_CLIENT_QUICK_RETRIES_H_
#define ERRAND_TESTS_CLIENT_QUICK_RETRIES_H_

#include "absl/time/time.h"
#include "errand/options.h"

namespace errand {

// A client's retries without the wait.
inline RetryOptions QuickRetries() {
  RetryOptions options;
  options.min_backoff = absl::Milliseconds(1);
  options.max_backoff = absl::Milliseconds(10);
  options.give_up_after = absl::Seconds(20);
  return options;
}

}  // namespace errand

#endif  // ERRAND_TESTS_CLIENT_QUICK_RETRIES_H_
