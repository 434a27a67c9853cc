#ifndef ERRAND_SERVER_TASK_EMAIL_ADDRESS_H_
#define ERRAND_SERVER_TASK_EMAIL_ADDRESS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace errand::task {

// One mailbox of RFC 5322 section 3.4.
struct EmailAddress {
  std::string display_name;  // UTF-8, without quotes; empty when there is none.
  std::string address;       // local@domain, printable ASCII, as it stands in MAIL FROM:<> and RCPT TO:<>.
};

// Parses `local@domain` or `Name <local@domain>`. The name may be a quoted string; outside of quotes a
// full stop in it is taken as meant ("John Q. Public"). Comments and route addresses are refused.
// INVALID_ARGUMENT otherwise, with a message that reads on after the name of a field ("must be ...").
// Takes linear time whatever the text.
absl::StatusOr<EmailAddress> ParseEmailAddress(absl::string_view text);

// Parses one address or several, with commas between them. INVALID_ARGUMENT as above.
absl::StatusOr<std::vector<EmailAddress>> ParseEmailAddresses(absl::string_view text);

// Whether `domain` can stand in EHLO or behind the @ of an address: a host name of letters, digits and
// hyphens, or an address literal such as [192.0.2.1] or [IPv6:2001:db8::1] (RFC 5321 section 4.1.2, 4.1.3).
bool IsMailDomain(absl::string_view domain);

}  // namespace errand::task

#endif  // ERRAND_SERVER_TASK_EMAIL_ADDRESS_H_
