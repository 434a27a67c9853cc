#ifndef ERRAND_CLIENT_CLI_PRINTABLE_H_
#define ERRAND_CLIENT_CLI_PRINTABLE_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "text/utf8.h"

namespace errand::cli {

using text::IsUtf8;
using text::Utf8Length;

// `text` without what could move a terminal's cursor or change its state: control characters (C0, DEL, C1)
// and bytes that are not UTF-8 become \xNN. Tabs stay; line feeds stay if `keep_lines`, else become \n.
std::string Printable(absl::string_view text, bool keep_lines = false);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_PRINTABLE_H_
