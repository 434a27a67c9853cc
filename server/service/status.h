#ifndef ERRAND_SERVER_SERVICE_STATUS_H_
#define ERRAND_SERVER_SERVICE_STATUS_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"

namespace errand::service {

// The one place where an absl::Status becomes what a client sees: its payloads go into the details of a
// google.rpc.Status. A status without an ErrorInfo (a bug of ours, or absl::CancelledError) gets one whose
// reason is the code's name.
grpc::Status ToGrpc(const absl::Status& status);
google::rpc::Status ToRpc(const absl::Status& status);

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_STATUS_H_
