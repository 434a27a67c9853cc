#ifndef ERRAND_CLIENT_CLI_EXIT_CODE_H_
#define ERRAND_CLIENT_CLI_EXIT_CODE_H_

namespace errand::cli {

// What the command exits with. The help of the command lists them.
enum ExitCode {
  kDone = 0,
  kFailed = 1,  // The task failed, was cancelled or expired; or the server refused for another reason.
  kUsage = 2,   // Also what the server calls INVALID_ARGUMENT.
  kNotFound = 3,
  kUnavailable = 4,
  kTimedOut = 5,
  kInterrupted = 130,
};

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_EXIT_CODE_H_
