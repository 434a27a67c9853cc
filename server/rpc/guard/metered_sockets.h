#ifndef ERRAND_SERVER_RPC_GUARD_METERED_SOCKETS_H_
#define ERRAND_SERVER_RPC_GUARD_METERED_SOCKETS_H_

#include <memory>

#include "server/rpc/guard/meter.h"

namespace errand::rpc {

// Which meter the bytes of a descriptor pass by: the one place where socket_calls.cc, which libgrpc calls,
// finds what the acceptor knows. One for the process, as descriptors are.
class MeteredSockets {
 public:
  // From now on until `socket` is closed, what passes is shown to `meter`. Before gRPC has it. Descriptors
  // above a million are not metered.
  static void Attach(int socket, std::shared_ptr<Meter> meter);

  // The rest is for socket_calls.cc.

  // Null when it is not metered. It is there until Detach: nobody closes a socket that is being read. That is
  // gRPC's to see to, which the thread sanitizer does not see: AfterUse tells it of each socket, metered or
  // not, and is nothing otherwise.
  static Meter* Find(int socket);
  static void AfterUse(int socket);
  static void Detach(int socket);
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_GUARD_METERED_SOCKETS_H_
