#ifndef ERRAND_SERVER_RPC_METER_PROBE_H_
#define ERRAND_SERVER_RPC_METER_PROBE_H_

#include <sys/socket.h>

#include <utility>

#include "absl/status/statusor.h"
#include "server/io/descriptor.h"
#include "server/rpc/peer_address.h"

namespace errand::rpc {

// A connection of the server to itself, to see that what gRPC reads is metered (see meter.h).
class MeterProbe {
 public:
  // Connects to the socket that listens at `address`, and waits for an answer to a PING: by then gRPC has
  // read from the connection.
  static absl::StatusOr<MeterProbe> Open(const sockaddr_storage& address);

  // Where it comes from, as the acceptor sees it.
  const PeerAddress& address() const { return address_; }

 private:
  MeterProbe(io::Descriptor socket, const PeerAddress& address)
      : socket_(std::move(socket)), address_(address) {}

  io::Descriptor socket_;
  PeerAddress address_;
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_METER_PROBE_H_
