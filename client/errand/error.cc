#include "errand/error.h"

#include <grpcpp/support/status.h>

#include "google/rpc/status.pb.h"

namespace errand {
namespace {

void AttachDetails(const google::rpc::Status& from, absl::Status& to) {
  for (const google::protobuf::Any& detail : from.details()) {
    to.SetPayload(detail.type_url(), absl::Cord(detail.value()));
  }
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  // The codes are the same numbers in both.
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (!result.ok() && details.ParseFromString(status.error_details())) AttachDetails(details, result);
  return result;
}

absl::Status FromProto(const google::rpc::Status& status) {
  absl::Status result(static_cast<absl::StatusCode>(status.code()), status.message());
  if (!result.ok()) AttachDetails(status, result);
  return result;
}

}  // namespace errand
