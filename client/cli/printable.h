#ifndef ERRAND_CLIENT_CLI_PRINTABLE_H_
#define ERRAND_CLIENT_CLI_PRINTABLE_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace errand::cli {

// The length in bytes of the UTF-8 character (RFC 3629) at the front of `text`; 0 when there is none.
size_t Utf8Length(absl::string_view text);

// Whether all of `text` is UTF-8, as a proto3 string must be.
bool IsUtf8(absl::string_view text);

// `text` without what could move a terminal's cursor or change its state: control characters (C0, DEL, C1)
// and bytes that are not UTF-8 become \xNN. Tabs stay; line feeds stay if `keep_lines`, else become \n.
std::string Printable(absl::string_view text, bool keep_lines = false);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_PRINTABLE_H_
