#ifndef ERRAND_SERVER_STORE_LOG_STORE_FAILURE_H_
#define ERRAND_SERVER_STORE_LOG_STORE_FAILURE_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/task/errors.h"

namespace errand::store::log {

// What those who call the store are told of what its disk has answered: UNAVAILABLE, or OK.
inline absl::Status StoreFailure(const absl::Status& status) {
  if (status.ok()) return status;
  return task::Error(absl::StatusCode::kUnavailable, "STORE_FAILED",
                     absl::StrCat("the server cannot keep anything: ", status.message()));
}

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_STORE_FAILURE_H_
