#ifndef ERRAND_TEXT_UTF8_H_
#define ERRAND_TEXT_UTF8_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace errand::text {

// The length in bytes of the UTF-8 character (RFC 3629) at the front of `text`; 0 when there is none.
size_t Utf8Length(absl::string_view text);

// Whether all of `text` is UTF-8, as a proto3 string must be.
bool IsUtf8(absl::string_view text);

// The first characters of `text`, at most `max_bytes` bytes, with "..." where that is not all.
std::string Shortened(absl::string_view text, size_t max_bytes);

}  // namespace errand::text

#endif  // ERRAND_TEXT_UTF8_H_
