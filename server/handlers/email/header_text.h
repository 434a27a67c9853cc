#ifndef ERRAND_SERVER_HANDLERS_EMAIL_HEADER_TEXT_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_HEADER_TEXT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/task/email_address.h"

// Header fields as they stand in a message, "Name: value\r\n", folded (RFC 5322 section 2.2.3) and, where
// they are not ASCII, as encoded words (RFC 2047). GMime 3.2 would do this, too, but its encoded words grow
// past the 75 characters that RFC 2047 section 2 allows, and it encodes a long URL in List-Unsubscribe.
namespace errand::handlers {

// A field of free text (RFC 5322 section 2.2.1), `value` in UTF-8 without line ends.
std::string TextHeader(absl::string_view name, absl::string_view value);

// A field whose words mean something, such as List-Unsubscribe, where no encoded word may stand (RFC 2047
// section 5): `value` is ASCII, and has a place to fold in each 997 bytes.
std::string StructuredHeader(absl::string_view name, absl::string_view value);

// A field of addresses, such as To.
std::string AddressHeader(absl::string_view name, const std::vector<task::EmailAddress>& addresses);

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_HEADER_TEXT_H_
