#ifndef ERRAND_SERVER_HANDLERS_EMAIL_SOCKET_ADDRESS_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_SOCKET_ADDRESS_H_

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>

namespace errand::handlers {

// An IPv4 or IPv6 address and a port.
class SocketAddress {
 public:
  // Copies; `size` is at most that of a sockaddr_storage.
  SocketAddress(const sockaddr* address, socklen_t size);

  // Of an IPv4 or IPv6 address without brackets; nothing when `host` is something else.
  static std::optional<SocketAddress> Parse(const std::string& host, uint16_t port);

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }
  int family() const { return storage_.ss_family; }

  // "192.0.2.1" or "2001:db8::1".
  std::string Host() const;

  // "192.0.2.1:25" or "[2001:db8::1]:25".
  std::string ToString() const;

 private:
  sockaddr_storage storage_{};
  socklen_t size_;
};

// The address that the connected socket `fd` is bound to, as EHLO names a client without a domain (RFC 5321
// section 4.1.3): "[192.0.2.1]" or "[IPv6:2001:db8::1]".
std::string LocalAddressLiteral(int fd);

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_SOCKET_ADDRESS_H_
