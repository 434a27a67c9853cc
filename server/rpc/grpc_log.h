#ifndef ERRAND_SERVER_RPC_GRPC_LOG_H_
#define ERRAND_SERVER_RPC_GRPC_LOG_H_

namespace errand::rpc {

// From now on gRPC's own lines, which hostile clients decide the number of, go into the server's log: a few a
// second. GRPC_VERBOSITY says from which severity on, ERROR unless told.
void TakeGrpcLog();

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_GRPC_LOG_H_
