#include "server/task/retry.h"

#include <algorithm>
#include <cmath>

#include "absl/random/random.h"
#include "server/task/duration.h"

namespace errand::task {

std::optional<absl::Duration> NextBackoff(const v1::RetryPolicy& policy, int attempt) {
  if (attempt >= std::max(1, policy.max_attempts())) return std::nullopt;
  const absl::Duration min_backoff =
      policy.has_min_backoff() ? FromProto(policy.min_backoff()) : kDefaultMinBackoff;
  const absl::Duration max_backoff =
      policy.has_max_backoff() ? FromProto(policy.max_backoff()) : kDefaultMaxBackoff;
  const double multiplier = policy.multiplier() == 0 ? kDefaultBackoffMultiplier : policy.multiplier();
  const absl::Duration ceiling = std::min(max_backoff, min_backoff * std::pow(multiplier, attempt - 1));
  static thread_local absl::BitGen bits;
  const double jitter = policy.has_jitter() ? policy.jitter() : 1;
  return ceiling * (1 - jitter * absl::Uniform(bits, 0.0, 1.0));
}

v1::RetryPolicy DefaultEmailRetryPolicy() {
  v1::RetryPolicy policy;
  policy.set_max_attempts(54);
  policy.mutable_min_backoff()->set_seconds(60);
  policy.mutable_max_backoff()->set_seconds(3600);
  policy.set_multiplier(2);
  policy.set_jitter(0.5);
  return policy;
}

}  // namespace errand::task
