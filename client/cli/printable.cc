#include "client/cli/printable.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace errand::cli {

std::string Printable(absl::string_view text, bool keep_lines) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text[0]);
    const size_t length = Utf8Length(text);
    const bool is_c1 = length == 2 && first == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0;
    if (first == '\n') {
      result += keep_lines ? "\n" : "\\n";
    } else if (length == 0 || is_c1 || (first < 0x20 && first != '\t') || first == 0x7f) {
      for (size_t i = 0; i < std::max<size_t>(length, 1); ++i) {
        absl::StrAppendFormat(&result, "\\x%02x", static_cast<unsigned char>(text[i]));
      }
    } else {
      result.append(text.data(), length);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return result;
}

}  // namespace errand::cli
