#ifndef ERRAND_SERVER_TASK_RETRY_H_
#define ERRAND_SERVER_TASK_RETRY_H_

#include <optional>

#include "absl/time/time.h"
#include "errand/v1/task.pb.h"

namespace errand::task {

inline constexpr absl::Duration kDefaultMinBackoff = absl::Seconds(1);
inline constexpr absl::Duration kDefaultMaxBackoff = absl::Minutes(5);
inline constexpr double kDefaultBackoffMultiplier = 2;

// How long to wait after the failed attempt number `attempt` before the next one: drawn evenly from zero to
// min(max_backoff, min_backoff * multiplier^(attempt-1)). Nothing when the policy's attempts are spent.
// `policy` is valid. Any thread.
std::optional<absl::Duration> NextBackoff(const v1::RetryPolicy& policy, int attempt);

}  // namespace errand::task

#endif  // ERRAND_SERVER_TASK_RETRY_H_
