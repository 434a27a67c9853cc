#ifndef ERRAND_SERVER_TASK_EMAIL_HEADER_H_
#define ERRAND_SERVER_TASK_EMAIL_HEADER_H_

#include "absl/strings/string_view.h"

namespace errand::task {

// What may stand in a header field of a message (RFC 5322), by its name, in any case.
enum class HeaderKind {
  kReserved,    // Errand writes it itself, or only mail servers may.
  kAddresses,   // One address or several, with commas between them.
  kStructured,  // Words that mean something: URLs, ids, keywords. ASCII only (RFC 2047 section 5).
  kText,        // Free text.
};

HeaderKind KindOfHeader(absl::string_view name);

}  // namespace errand::task

#endif  // ERRAND_SERVER_TASK_EMAIL_HEADER_H_
