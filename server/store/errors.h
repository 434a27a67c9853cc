#ifndef ERRAND_SERVER_STORE_ERRORS_H_
#define ERRAND_SERVER_STORE_ERRORS_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/store/task_store.h"
#include "server/task/errors.h"

// Errors that every store makes alike.
namespace errand::store {

inline absl::Status StaleLease(const Lease& lease) {
  return task::Error(absl::StatusCode::kFailedPrecondition, "STALE_LEASE",
                     absl::StrCat("the lease of '", lease.task, "' has expired or was finished"));
}

// What those who call a store are told of what its disk has answered: UNAVAILABLE, or OK.
inline absl::Status StoreFailure(const absl::Status& status) {
  if (status.ok()) return status;
  return task::Error(absl::StatusCode::kUnavailable, "STORE_FAILED",
                     absl::StrCat("the server cannot keep anything: ", status.message()));
}

// RESOURCE_EXHAUSTED, for those who waited for a change to be safe as the disk ran full.
inline absl::Status StillUnsafe() {
  return task::DiskFull(
      "the server's disk has become full: whether what was asked for is kept is known once there is space; "
      "asked for again, with the same request_id, it is not done twice",
      absl::Seconds(1));
}

// `field` is where the request has the etag that does not match; `what` is "task" or "queue".
inline absl::Status EtagMismatch(absl::string_view field, absl::string_view what, absl::string_view etag) {
  return task::Error(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                     absl::StrCat(field, ": the ", what, " has changed; its etag is now \"", etag, "\""),
                     {{"etag", etag}});
}

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_ERRORS_H_
