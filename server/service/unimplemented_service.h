#ifndef ERRAND_SERVER_SERVICE_UNIMPLEMENTED_SERVICE_H_
#define ERRAND_SERVER_SERVICE_UNIMPLEMENTED_SERVICE_H_

#include <grpcpp/generic/async_generic_service.h>

#include "server/rpc/call.h"
#include "server/rpc/server.h"

namespace errand::service {

// Answers every method that nobody else serves with UNIMPLEMENTED and an ErrorInfo, which gRPC itself would
// leave out.
class UnimplementedService {
 public:
  // Before the server starts.
  void Register(rpc::Server& server);
  // Once it has started, before it runs.
  void Arm(rpc::Server& server);

 private:
  rpc::Call Refuse(rpc::Loop& loop);

  grpc::AsyncGenericService generic_;
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_UNIMPLEMENTED_SERVICE_H_
