#ifndef ERRAND_CLIENT_CLI_TASK_NAME_H_
#define ERRAND_CLIENT_CLI_TASK_NAME_H_

#include <string>

#include "absl/strings/string_view.h"

namespace errand::cli {

// The resource name for what a person typed: "t" is a task of `queue` (empty: "default"), "q/t" one of the
// queue q; "queues/q/tasks/t" and all else stay as they are, for the server to judge.
std::string ExpandTaskName(absl::string_view name, absl::string_view queue);

// "q" or "queues/q" as "queues/q"; empty stays empty.
std::string ExpandQueueName(absl::string_view queue);

// The same for "scripts/s".
std::string ExpandScriptName(absl::string_view script);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_TASK_NAME_H_
