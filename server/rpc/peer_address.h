#ifndef ERRAND_SERVER_RPC_PEER_ADDRESS_H_
#define ERRAND_SERVER_RPC_PEER_ADDRESS_H_

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>

namespace errand::rpc {

// Where a connection comes from.
class PeerAddress {
 public:
  // What connections are counted by: an IPv4 address, or the first half of an IPv6 address, which is the
  // least that a customer gets of a provider (RFC 6177), so that nobody has more than one.
  using Network = std::array<uint8_t, 8>;

  explicit PeerAddress(const sockaddr_storage& address);

  const Network& network() const { return network_; }
  bool operator==(const PeerAddress& other) const { return bytes_ == other.bytes_ && port_ == other.port_; }

  // As gRPC writes it: "192.0.2.1:50000" or "[2001:db8::1]:50000".
  std::string ToString() const;

 private:
  std::array<uint8_t, 16> bytes_{};  // IPv4 as IPv6 has it, ::ffff:192.0.2.1.
  uint16_t port_ = 0;
  Network network_{};
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_PEER_ADDRESS_H_
