#ifndef ERRAND_CLIENT_CLI_INPUT_H_
#define ERRAND_CLIENT_CLI_INPUT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace errand::cli {

// The bytes of the file `path`, of standard input for "-". INVALID_ARGUMENT, naming `what` and the path,
// when it cannot be read or holds more than 64 MiB, which no request may.
absl::StatusOr<std::string> ReadInput(absl::string_view what, const std::string& path);

// A flag's value: "@FILE" and "@-" stand for a file's bytes, "@@TEXT" for "@TEXT", all else for itself.
absl::StatusOr<std::string> ReadValue(absl::string_view what, absl::string_view value);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_INPUT_H_
