#ifndef ERRAND_SERVER_TASK_NAME_H_
#define ERRAND_SERVER_TASK_NAME_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// Resource names (AIP-122): `queues/{queue}`, `queues/{queue}/tasks/{task}` and `scripts/{script}`.
namespace errand::task {

inline constexpr absl::string_view kDefaultQueue = "queues/default";

// INVALID_ARGUMENT naming `field` unless `id` is 1 to 63 characters of a-z, 0-9 and hyphen that starts and
// ends with a letter or digit.
absl::Status CheckId(absl::string_view id, absl::string_view field);

// The same for `queues/{queue}`.
absl::Status CheckQueueName(absl::string_view name, absl::string_view field);

// The same for `queues/{queue}/tasks/{task}`.
absl::Status CheckTaskName(absl::string_view name, absl::string_view field);

// The same for `scripts/{script}`.
absl::Status CheckScriptName(absl::string_view name, absl::string_view field);

// `s` gives `scripts/s`.
std::string ScriptName(absl::string_view script_id);

// `queues/q` and `t` give `queues/q/tasks/t`.
std::string TaskName(absl::string_view queue_name, absl::string_view task_id);

// The queue of a valid task name: `queues/q/tasks/t` gives `queues/q`, a part of the argument.
absl::string_view QueueOf(absl::string_view task_name);

// A new UUID, version 4 (RFC 4122), from a generator that nobody outside can predict. Any thread.
std::string NewUid();

}  // namespace errand::task

#endif  // ERRAND_SERVER_TASK_NAME_H_
