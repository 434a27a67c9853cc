#ifndef ERRAND_CLIENT_CLI_REQUEST_H_
#define ERRAND_CLIENT_CLI_REQUEST_H_

#include <string>

#include "absl/status/statusor.h"
#include "client/cli/task_flags.h"
#include "errand/v1/tasks.pb.h"

namespace errand::cli {

// A Lua source text, of standard input for "-". INVALID_ARGUMENT names the file that cannot be read or is no
// UTF-8.
absl::StatusOr<std::string> ReadSource(const std::string& file);

// The request that the flags describe, with a request_id. Reads files and standard input. INVALID_ARGUMENT
// names the flag or file that is wrong; what only the server can judge is left to it.
absl::StatusOr<v1::CreateTaskRequest> BuildRequest(const TaskFlags& flags);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_REQUEST_H_
