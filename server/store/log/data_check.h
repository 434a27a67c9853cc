#ifndef ERRAND_SERVER_STORE_LOG_DATA_CHECK_H_
#define ERRAND_SERVER_STORE_LOG_DATA_CHECK_H_

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/store/log/file_system.h"

namespace errand::store::log {

// Gets what is to be printed, line by line.
using SayLine = absl::FunctionRef<void(absl::string_view line)>;

// Reads all of a data folder, says what is there, and each damage with what is lost by it. Changes nothing.
// DATA_LOSS: something is damaged.
absl::Status CheckData(const FileSystem& folder, SayLine say);

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_DATA_CHECK_H_
