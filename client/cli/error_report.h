#ifndef ERRAND_CLIENT_CLI_ERROR_REPORT_H_
#define ERRAND_CLIENT_CLI_ERROR_REPORT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace errand::cli {

// An error of the server or of the command line for people: "<what> (<field>: <problem>)" and a line feed,
// with a line for each further field that is wrong. Free of control characters.
std::string DescribeError(const absl::Status& status);

// The same for UNAVAILABLE: which server, why, and how to point elsewhere.
std::string DescribeUnavailable(const absl::Status& status, absl::string_view server);

int ExitCodeOf(const absl::Status& status);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_ERROR_REPORT_H_
