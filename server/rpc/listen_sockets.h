#ifndef ERRAND_SERVER_RPC_LISTEN_SOCKETS_H_
#define ERRAND_SERVER_RPC_LISTEN_SOCKETS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/io/descriptor.h"

namespace errand::rpc {

// Sockets that listen on all addresses of one host, at one port.
struct ListenSockets {
  std::vector<io::Descriptor> sockets;  // Non-blocking; what they accept has no Nagle delay.
  int port = 0;
};

// Binds `address`, "HOST:PORT" with a name, an IPv4 or an IPv6 address (in brackets or not). A wildcard of
// IPv6 takes IPv4 as well. Port 0 lets the system choose one, the same for all. An address that the machine
// does not have is left out where the name stands for others, too; one that is in use never is.
absl::StatusOr<ListenSockets> Listen(const std::string& address);

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_LISTEN_SOCKETS_H_
