#include "server/rpc/peer_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace errand::rpc {
namespace {

constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

PeerAddress::PeerAddress(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    std::memcpy(bytes_.data(), &v6.sin6_addr, bytes_.size());
    port_ = ntohs(v6.sin6_port);
  } else {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    std::copy(kMapped.begin(), kMapped.end(), bytes_.begin());
    std::memcpy(bytes_.data() + kMapped.size(), &v4.sin_addr, sizeof v4.sin_addr);
    port_ = ntohs(v4.sin_port);
  }
  // The last eight bytes of a mapped address begin with 0000ffff, which no network of IPv6 in use does.
  const bool mapped = std::equal(kMapped.begin(), kMapped.end(), bytes_.begin());
  std::copy_n(bytes_.begin() + (mapped ? 8 : 0), network_.size(), network_.begin());
}

std::string PeerAddress::ToString() const {
  char text[INET6_ADDRSTRLEN];
  if (std::equal(kMapped.begin(), kMapped.end(), bytes_.begin())) {
    inet_ntop(AF_INET, bytes_.data() + kMapped.size(), text, sizeof text);
    return absl::StrCat(text, ":", port_);
  }
  inet_ntop(AF_INET6, bytes_.data(), text, sizeof text);
  return absl::StrCat("[", text, "]:", port_);
}

}  // namespace errand::rpc
