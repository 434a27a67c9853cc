#ifndef ERRAND_SERVER_RPC_SERVER_H_
#define ERRAND_SERVER_RPC_SERVER_H_

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/rpc/loop.h"

namespace errand::rpc {

struct ServerOptions {
  std::string listen;  // "host:port"; port 0 lets the system choose.
  // A thread each. In Debian's gRPC every completion scans all outstanding tags of its queue: streams that
  // stay open for long live on loops of their own, apart from unary calls.
  int unary_loops = 2;
  int stream_loops = 1;
  int max_message_bytes = 16 << 20;
  // gRPC's own buffers of all connections together. A fuse: when it is used up, gRPC cuts connections.
  int64_t max_buffer_bytes = int64_t{256} << 20;
};

// A gRPC server over completion queues, and the only order of shutdown that holds (see Loop).
class Server {
 public:
  explicit Server(const ServerOptions& options);

  // Register services with it before Start.
  grpc::ServerBuilder& builder() { return builder_; }
  const std::vector<std::unique_ptr<Loop>>& unary_loops() const { return unary_loops_; }
  const std::vector<std::unique_ptr<Loop>>& stream_loops() const { return stream_loops_; }

  // Binds the port; returns the address with the port that is really listened on. Then arm the calls, then
  // call Run.
  absl::StatusOr<std::string> Start();
  void Run();

  // Takes no more calls, waits for those that run until `deadline`, cancels the rest, and ends the loops.
  // Whoever posts to a loop must have stopped when the last call is over.
  void Shutdown(absl::Time deadline);

 private:
  template <class Action>
  void ForEachLoop(Action action);

  const std::string host_;
  int port_ = 0;  // What was asked for, then what was bound.
  grpc::ServerBuilder builder_;
  std::vector<std::unique_ptr<Loop>> unary_loops_;
  std::vector<std::unique_ptr<Loop>> stream_loops_;
  std::unique_ptr<grpc::Server> server_;  // Goes before the queues.
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_SERVER_H_
