#ifndef ERRAND_SERVER_TASK_RETRY_H_
#define ERRAND_SERVER_TASK_RETRY_H_

#include <optional>

#include "absl/time/time.h"
#include "errand/v1/task.pb.h"

namespace errand::task {

inline constexpr absl::Duration kDefaultMinBackoff = absl::Seconds(1);
inline constexpr absl::Duration kDefaultMaxBackoff = absl::Minutes(5);
inline constexpr double kDefaultBackoffMultiplier = 2;

// How long to wait after the failed attempt number `attempt` before the next one, drawn as v1::RetryPolicy
// says. Nothing when the policy's attempts are spent. `policy` is valid. Any thread.
std::optional<absl::Duration> NextBackoff(const v1::RetryPolicy& policy, int attempt);

// That of e-mails which have none: over a day even where the least is drawn each time.
v1::RetryPolicy DefaultEmailRetryPolicy();

}  // namespace errand::task

#endif  // ERRAND_SERVER_TASK_RETRY_H_
