#ifndef ERRAND_CLIENT_CLI_QUEUE_FLAGS_H_
#define ERRAND_CLIENT_CLI_QUEUE_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"

namespace errand::cli {

// What `errand queue` was told. A setting that was not given stays as it is; zero takes it back.
struct QueueFlags {
  std::string name;  // `queues/{queue}`.
  std::string etag;
  bool force = false;          // delete.
  bool allow_missing = false;  // delete.

  std::optional<double> rate;  // Tasks a second.
  std::optional<int32_t> burst;
  std::optional<int32_t> max_running;
  std::optional<int32_t> weight;
  std::optional<int32_t> max_attempts;
  std::optional<absl::Duration> min_backoff;
  std::optional<absl::Duration> max_backoff;
  std::optional<absl::Duration> retention_age;
  std::optional<int64_t> retention_count;
  std::optional<int64_t> max_tasks;
  std::optional<int64_t> max_bytes;
};

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_QUEUE_FLAGS_H_
