#ifndef ERRAND_SERVER_SANDBOX_SYNTAX_ERROR_H_
#define ERRAND_SERVER_SANDBOX_SYNTAX_ERROR_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace errand::sandbox {

// Where in a source Lua stopped to understand it. Both from 1, 0 when not known; columns count bytes.
struct SourcePosition {
  uint32_t line = 0;
  uint32_t column = 0;
};

// Lua's messages ("script:3: unexpected symbol near 'x'") name the line only. The column is that of what the
// message says the error is near, the last before `consumed`: so many bytes had been read when it was found.
SourcePosition LocateSyntaxError(std::string_view message, std::string_view chunk_name,
                                 std::string_view source, size_t consumed);

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_SYNTAX_ERROR_H_
