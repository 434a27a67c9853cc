#ifndef ERRAND_SERVER_SANDBOX_UTF8_H_
#define ERRAND_SERVER_SANDBOX_UTF8_H_

#include <cstddef>
#include <string>
#include <string_view>

// Text that comes from scripts. Protobuf strings must be UTF-8 (RFC 3629: no surrogates, nothing overlong,
// nothing above U+10FFFF).
namespace errand::sandbox {

bool IsUtf8(std::string_view text);

// `text` with every invalid byte replaced by U+FFFD, cut to at most `max_bytes` between two characters.
std::string CleanUtf8(std::string_view text, size_t max_bytes);

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_UTF8_H_
