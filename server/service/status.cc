#include "server/service/status.h"

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "server/task/errors.h"

namespace errand::service {

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  constexpr absl::string_view kErrorInfo = "type.googleapis.com/google.rpc.ErrorInfo";
  if (!status.GetPayload(kErrorInfo).has_value()) {
    return ToGrpc(task::Error(status.code(), absl::StatusCodeToString(status.code()), status.message()));
  }
  const google::rpc::Status proto = task::ToProto(status);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), proto.message(),
                      proto.SerializeAsString());
}

}  // namespace errand::service
