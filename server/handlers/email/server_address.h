#ifndef ERRAND_SERVER_HANDLERS_EMAIL_SERVER_ADDRESS_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_SERVER_ADDRESS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace errand::handlers {

// Where the mail server is.
struct ServerAddress {
  std::string host;  // A name, or an IP address without brackets.
  uint16_t port = 0;
};

// Parses "host:port" or "[v6]:port". INVALID_ARGUMENT that quotes `text` and says what is wrong.
absl::StatusOr<ServerAddress> ParseServerAddress(absl::string_view text);

// Whether `host` is an IPv4 or IPv6 address rather than a name.
bool IsIpAddress(const std::string& host);

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_SERVER_ADDRESS_H_
