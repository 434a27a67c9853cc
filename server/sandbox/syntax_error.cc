#include "server/sandbox/syntax_error.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace errand::sandbox {
namespace {

constexpr std::string_view kNear = " near ";
constexpr std::string_view kEnd = "<eof>";

// What follows the last "near": a token in quotes, or <eof>. Empty when there is none.
std::string_view NearOf(std::string_view message) {
  const size_t near = message.rfind(kNear);
  if (near == std::string_view::npos) return {};
  std::string_view token = message.substr(near + kNear.size());
  if (token.size() >= 2 && token.front() == '\'' && token.back() == '\'') {
    token = token.substr(1, token.size() - 2);
  }
  return token;
}

uint32_t LineAt(std::string_view source, size_t offset) {
  const auto head = source.substr(0, offset);
  return 1 + static_cast<uint32_t>(std::count(head.begin(), head.end(), '\n'));
}

uint32_t ColumnAt(std::string_view source, size_t offset) {
  const size_t newline = offset == 0 ? std::string_view::npos : source.rfind('\n', offset - 1);
  return static_cast<uint32_t>(newline == std::string_view::npos ? offset + 1 : offset - newline);
}

}  // namespace

SourcePosition LocateSyntaxError(std::string_view message, std::string_view chunk_name,
                                 std::string_view source, size_t consumed) {
  SourcePosition position;
  const std::string prefix = std::string(chunk_name) + ":";
  if (message.substr(0, prefix.size()) != prefix) return position;
  const char* const number = message.data() + prefix.size();
  if (std::from_chars(number, message.data() + message.size(), position.line).ec != std::errc()) {
    return position;
  }
  const std::string_view token = NearOf(message);
  if (token.empty()) return position;
  consumed = std::min(consumed, source.size());
  const std::string_view read = source.substr(0, consumed);
  size_t offset = source.size();
  if (token == kEnd) {
    // Behind the last that is not blank on the line that the message names.
    while (offset > 0 && LineAt(source, offset) > position.line) --offset;
  } else {
    offset = read.rfind(token);
    if (offset == std::string_view::npos) return position;
  }
  // What it is near may begin on an earlier line: a string in long brackets, say.
  if (LineAt(source, offset) == position.line) position.column = ColumnAt(source, offset);
  return position;
}

}  // namespace errand::sandbox
