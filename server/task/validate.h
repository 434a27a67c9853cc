#ifndef ERRAND_SERVER_TASK_VALIDATE_H_
#define ERRAND_SERVER_TASK_VALIDATE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "errand/v1/task.pb.h"
#include "google/protobuf/duration.pb.h"

namespace errand::task {

// INVALID_ARGUMENT naming the fields that break a rule published in errand/v1/task.proto (see Violations),
// their paths starting with `path` ("task"). Output-only fields are not looked at. `now` is what
// `schedule_time` and `expire_time` are compared with.
absl::Status ValidateTask(const v1::Task& task, absl::string_view path, absl::Time now);

// The same for a Lua source; `path` is its own ("task.lua.source"). Whether it compiles is not looked at.
absl::Status ValidateSource(absl::string_view source, absl::string_view path);

// The same for a retry policy and for limits; `path` is theirs ("task.limits").
absl::Status ValidateRetryPolicy(const v1::RetryPolicy& policy, absl::string_view path);
absl::Status ValidateLimits(const v1::Limits& limits, absl::string_view path);

// The same for a duration that must be well-formed (google/protobuf/duration.proto) and within
// [min, max].
absl::Status ValidateDuration(const google::protobuf::Duration& duration, absl::string_view field,
                              absl::Duration min, absl::Duration max);

// Fills in the server's defaults of `run_timeout`, `limits` and an e-mail's `retry_policy` where they are not
// set. `task` is valid.
void FillDefaults(v1::Task& task);

}  // namespace errand::task

#endif  // ERRAND_SERVER_TASK_VALIDATE_H_
