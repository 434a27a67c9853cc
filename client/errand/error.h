#ifndef ERRAND_ERROR_H_
#define ERRAND_ERROR_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace grpc {
class Status;
}
namespace google::rpc {
class Status;
}

// Errors of the server as absl::Status: the code, the message for people, and the google.rpc details as
// payloads, by type URL ("type.googleapis.com/google.rpc.BadRequest"). Any thread.
namespace errand {

// What a call ended with. A status without details gives one without payloads.
absl::Status FromGrpc(const grpc::Status& status);

// The error that a task carries (`Task.error`, `StateChange.error`). Code 0 gives OK.
absl::Status FromProto(const google::rpc::Status& status);

// A detail of `status`, such as google::rpc::ErrorInfo, BadRequest or RetryInfo
// (google/rpc/error_details.pb.h); nothing when it has none or it cannot be parsed.
template <class Detail>
std::optional<Detail> FindDetail(const absl::Status& status) {
  const absl::optional<absl::Cord> payload =
      status.GetPayload(absl::StrCat("type.googleapis.com/", Detail::descriptor()->full_name()));
  Detail detail;
  if (!payload.has_value() || !detail.ParseFromString(std::string(*payload))) return std::nullopt;
  return detail;
}

}  // namespace errand

#endif  // ERRAND_ERROR_H_
