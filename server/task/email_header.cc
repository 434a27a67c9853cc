#include "server/task/email_header.h"

#include "absl/strings/match.h"

namespace errand::task {
namespace {

struct Known {
  absl::string_view name;
  HeaderKind kind;
};

// A name that ends with a hyphen stands for all that begin with it.
constexpr Known kKnown[] = {
    // Written by Errand.
    {"From", HeaderKind::kReserved},
    {"To", HeaderKind::kReserved},
    {"Cc", HeaderKind::kReserved},
    {"Bcc", HeaderKind::kReserved},
    {"Reply-To", HeaderKind::kReserved},
    {"Subject", HeaderKind::kReserved},
    {"Date", HeaderKind::kReserved},
    {"Message-ID", HeaderKind::kReserved},
    {"MIME-Version", HeaderKind::kReserved},
    {"Content-", HeaderKind::kReserved},
    // Written by mail servers, about a message that they had (RFC 5322 section 3.6.7, RFC 6376, 8601, 8617).
    {"Received", HeaderKind::kReserved},
    {"Received-SPF", HeaderKind::kReserved},
    {"Return-Path", HeaderKind::kReserved},
    {"Delivered-To", HeaderKind::kReserved},
    {"DKIM-Signature", HeaderKind::kReserved},
    {"DomainKey-Signature", HeaderKind::kReserved},
    {"Authentication-Results", HeaderKind::kReserved},
    {"ARC-", HeaderKind::kReserved},
    {"Resent-", HeaderKind::kReserved},
    {"Sender", HeaderKind::kAddresses},
    {"Disposition-Notification-To", HeaderKind::kAddresses},  // RFC 8098.
    {"Return-Receipt-To", HeaderKind::kAddresses},
    {"Errors-To", HeaderKind::kAddresses},
    {"References", HeaderKind::kStructured},
    {"In-Reply-To", HeaderKind::kStructured},
    {"List-", HeaderKind::kStructured},           // RFC 2369, 2919, 8058.
    {"Auto-Submitted", HeaderKind::kStructured},  // RFC 3834.
    {"X-Auto-Response-Suppress", HeaderKind::kStructured},
    {"Precedence", HeaderKind::kStructured},
    {"Importance", HeaderKind::kStructured},
    {"Priority", HeaderKind::kStructured},
    {"Sensitivity", HeaderKind::kStructured},
    {"X-Priority", HeaderKind::kStructured},
    {"Feedback-ID", HeaderKind::kStructured},
    {"Autocrypt", HeaderKind::kStructured},
    {"Expires", HeaderKind::kStructured},
    {"Supersedes", HeaderKind::kStructured},
};

}  // namespace

HeaderKind KindOfHeader(absl::string_view name) {
  for (const Known& known : kKnown) {
    const bool is_prefix = absl::EndsWith(known.name, "-");
    if (is_prefix ? absl::StartsWithIgnoreCase(name, known.name) : absl::EqualsIgnoreCase(name, known.name)) {
      return known.kind;
    }
  }
  return HeaderKind::kText;
}

}  // namespace errand::task
