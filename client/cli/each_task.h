#ifndef ERRAND_CLIENT_CLI_EACH_TASK_H_
#define ERRAND_CLIENT_CLI_EACH_TASK_H_

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "client/cli/session.h"
#include "errand/v1/task.pb.h"

namespace errand::cli {

// Calls `change` for each of the tasks that the command line names, and prints what it returns: names, lines
// of JSON, or one document. A task that is refused is reported and does not keep the others from being tried;
// an absent server and an interrupt do. Returns the exit code, that of the first error.
int ForEachTask(Session& session,
                absl::FunctionRef<absl::StatusOr<v1::Task>(const std::string& name)> change);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_EACH_TASK_H_
