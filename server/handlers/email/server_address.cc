#include "server/handlers/email/server_address.h"

#include <arpa/inet.h>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace errand::handlers {
namespace {

constexpr size_t kMaxHostBytes = 253;  // RFC 1035 section 2.3.4, as text.

bool IsIp(int family, const std::string& host) {
  in6_addr address;
  return inet_pton(family, host.c_str(), &address) == 1;
}

// Laxer than the RFC: names from a container network may have underscores.
bool IsHostName(absl::string_view host) {
  for (char c : host) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '.' && c != '_') return false;
  }
  return !host.empty() && host.size() <= kMaxHostBytes && host.front() != '.' && host.front() != '-';
}

}  // namespace

bool IsIpAddress(const std::string& host) { return IsIp(AF_INET, host) || IsIp(AF_INET6, host); }

absl::StatusOr<ServerAddress> ParseServerAddress(absl::string_view text) {
  const auto wrong = [text](absl::string_view problem) {
    return absl::InvalidArgumentError(
        absl::StrCat("mail server '", absl::CHexEscape(text), "' must be host:port or [v6]:port: ", problem));
  };
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return wrong("the port is missing");
  uint32_t port = 0;
  const absl::string_view digits = text.substr(colon + 1);
  if (digits.empty() || !absl::ascii_isdigit(digits.front()) || !absl::SimpleAtoi(digits, &port) ||
      port == 0 || port > 65535) {
    return wrong("the port must be a number from 1 to 65535");
  }
  absl::string_view host = text.substr(0, colon);
  const bool brackets = absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]");
  ServerAddress address{std::string(host), static_cast<uint16_t>(port)};
  if (brackets) {
    if (!IsIp(AF_INET6, address.host)) return wrong("the brackets must hold an IPv6 address");
  } else if (absl::string_view(address.host).find(':') != absl::string_view::npos) {
    return wrong("an IPv6 address must stand in brackets");
  } else if (!IsHostName(host)) {
    return wrong("the host must be a name of letters, digits, dots and hyphens, or an IP address");
  }
  return address;
}

}  // namespace errand::handlers
