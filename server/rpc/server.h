#ifndef ERRAND_SERVER_RPC_SERVER_H_
#define ERRAND_SERVER_RPC_SERVER_H_

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/clock/instant.h"
#include "server/rpc/acceptor.h"
#include "server/rpc/loop.h"
#include "server/rpc/timers.h"

namespace errand::rpc {

struct ServerOptions {
  std::string listen;  // "host:port"; port 0 lets the system choose.
  // In all, and from one address (see PeerAddress::Network). When there are as many, the idlest are closed.
  int max_connections = 1000;
  int max_connections_per_address = 500;
  GuardLimits guard = {};
  // A thread each. In Debian's gRPC every completion scans all outstanding tags of its queue: streams that
  // stay open for long live on loops of their own, apart from unary calls.
  int unary_loops = 2;
  int stream_loops = 1;
  int max_message_bytes = 16 << 20;  // Also of what a compressed one becomes.
  // How long a connection may be silent before the server pings the peer, and how long that may take to
  // answer.
  absl::Duration ping_after = absl::Seconds(30);
  absl::Duration ping_timeout = absl::Seconds(20);
  // How old a connection may become, and how long it may be without calls. Then the server says that it will
  // close it, and does so after the calls on it, or half a minute.
  absl::Duration max_connection_age = absl::InfiniteDuration();
  absl::Duration max_connection_idle = absl::InfiniteDuration();
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
  // call Run: before that, clients wait.
  absl::StatusOr<std::string> Start();
  void Run();

  // Closes the port, takes no more calls, waits for those that run until `deadline`, cancels the rest, and
  // ends the loops. Whoever posts to a loop must have stopped when the last call is over.
  void Shutdown(clock::Instant deadline);

 private:
  template <class Action>
  void ForEachLoop(Action action);

  const std::string listen_;
  const Connections::Limits limits_;
  const GuardLimits guard_;
  grpc::ServerBuilder builder_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> hand_over_;
  Timers timers_;
  std::vector<std::unique_ptr<Loop>> unary_loops_;
  std::vector<std::unique_ptr<Loop>> stream_loops_;
  std::unique_ptr<grpc::Server> server_;    // Goes before the queues.
  std::optional<ListenSockets> listening_;  // Bound, and not yet the acceptor's.
  std::unique_ptr<Acceptor> acceptor_;      // Goes before the server.
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_SERVER_H_
