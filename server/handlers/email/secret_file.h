#ifndef ERRAND_SERVER_HANDLERS_EMAIL_SECRET_FILE_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_SECRET_FILE_H_

#include <string>

#include "absl/status/statusor.h"

namespace errand::handlers {

// The password or token in a file of at most 64 KiB, without line ends behind it. FAILED_PRECONDITION, with a
// text that names the file and never what is in it, when it cannot be read, is empty, or holds a NUL or
// several lines.
absl::StatusOr<std::string> ReadSecretFile(const std::string& path);

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_SECRET_FILE_H_
