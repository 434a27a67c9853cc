#include "server/rpc/listen_sockets.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace errand::rpc {
namespace {

struct FreeAddresses {
  void operator()(addrinfo* addresses) const { freeaddrinfo(addresses); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

constexpr int kPortTries = 16;

void SetPort(sockaddr* address, int port) {
  const auto in_network_order = htons(static_cast<uint16_t>(port));
  if (address->sa_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(address)->sin6_port = in_network_order;
  } else {
    reinterpret_cast<sockaddr_in*>(address)->sin_port = in_network_order;
  }
}

int PortOf(const io::Descriptor& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

// A closed descriptor, and errno, when that fails.
io::Descriptor ListenOn(const addrinfo& address) {
  io::Descriptor listener(socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!listener.is_open()) return listener;
  const int on = 1;
  const int off = 0;
  // A server that starts again need not wait for what is left of its last connections.
  setsockopt(listener.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(listener.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // Sockets that it accepts inherit it.
  if (address.ai_family == AF_INET6) {
    setsockopt(listener.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (bind(listener.fd(), address.ai_addr, address.ai_addrlen) != 0 ||
      listen(listener.fd(), SOMAXCONN) != 0) {
    const int error = errno;
    listener.Close();
    errno = error;
  }
  return listener;
}

// Nothing when an address is in use at the port, or none can be had.
ListenSockets ListenOnAll(const addrinfo* addresses, int port) {
  ListenSockets listening;
  listening.port = port;
  for (const addrinfo* address = addresses; address != nullptr; address = address->ai_next) {
    SetPort(address->ai_addr, listening.port);
    io::Descriptor listener = ListenOn(*address);
    if (!listener.is_open()) {
      if (errno == EADDRINUSE) return {};
      continue;
    }
    if (listening.port == 0) listening.port = PortOf(listener);
    listening.sockets.push_back(std::move(listener));
  }
  return listening;
}

}  // namespace

absl::StatusOr<ListenSockets> Listen(const std::string& address) {
  const size_t colon = address.rfind(':');
  absl::string_view host(address);
  host = host.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string port_text = colon == std::string::npos ? "" : address.substr(colon + 1);
  if (getaddrinfo(std::string(host).c_str(), port_text.c_str(), &hints, &found) == 0) {
    const Addresses addresses(found);
    int port = 0;
    if (found->ai_family == AF_INET6) {
      port = ntohs(reinterpret_cast<sockaddr_in6*>(found->ai_addr)->sin6_port);
    } else {
      port = ntohs(reinterpret_cast<sockaddr_in*>(found->ai_addr)->sin_port);
    }
    // A port that the system chose for one address may be in use at another.
    for (int tries = port == 0 ? kPortTries : 1; tries > 0; --tries) {
      ListenSockets listening = ListenOnAll(found, port);
      if (!listening.sockets.empty()) return listening;
    }
  }
  return absl::UnavailableError("the address is in use, not this machine's, or not allowed");
}

}  // namespace errand::rpc
