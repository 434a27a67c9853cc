#include "client/cli/display_width.h"

#include <wchar.h>

#include <clocale>

#include "text/utf8.h"

namespace errand::cli {
namespace {

// The code point of the character at the front of `text`, which has `length` bytes.
char32_t Decode(absl::string_view text, size_t length) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (length == 1) return byte(0);
  char32_t code = byte(0) & (0xff >> (length + 1));
  for (size_t i = 1; i < length; ++i) code = code << 6 | (byte(i) & 0x3f);
  return code;
}

// Reads the first character of `text`, which is not empty: its bytes, and its columns.
struct Character {
  size_t bytes;
  int columns;
};
Character First(absl::string_view text) {
  const size_t length = text::Utf8Length(text);
  if (length == 0) return {1, 1};  // A terminal shows something.
  // wcwidth says -1 of a character that the C library does not know.
  const int columns = wcwidth(static_cast<wchar_t>(Decode(text, length)));
  return {length, columns < 0 ? 1 : columns};
}

}  // namespace

void UseDisplayWidths() { std::setlocale(LC_CTYPE, "C.UTF-8"); }

int DisplayWidth(absl::string_view text) {
  int columns = 0;
  while (!text.empty()) {
    const Character first = First(text);
    columns += first.columns;
    text.remove_prefix(first.bytes);
  }
  return columns;
}

std::string CutToWidth(absl::string_view text, int columns) {
  size_t end = 0;
  while (end < text.size()) {
    const Character next = First(text.substr(end));
    if (next.columns > columns) break;
    columns -= next.columns;
    end += next.bytes;
  }
  return std::string(text.substr(0, end));
}

}  // namespace errand::cli
