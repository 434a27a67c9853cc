#include "server/service/status.h"

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "server/task/errors.h"

namespace errand::service {

google::rpc::Status ToRpc(const absl::Status& status) {
  constexpr absl::string_view kErrorInfo = "type.googleapis.com/google.rpc.ErrorInfo";
  if (status.ok() || status.GetPayload(kErrorInfo).has_value()) return task::ToProto(status);
  return task::ToProto(task::Error(status.code(), absl::StatusCodeToString(status.code()), status.message()));
}

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const google::rpc::Status proto = ToRpc(status);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), proto.message(),
                      proto.SerializeAsString());
}

}  // namespace errand::service
