#include "server/handlers/email/header_text.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace errand::handlers {
namespace {

constexpr size_t kLineBytes = 76;      // RFC 5322 section 2.1.1 asks for 78 at most.
constexpr size_t kMaxLineBytes = 998;  // And for no more than this in any case.
// What fits into the 75 characters of an encoded word, "=?UTF-8?B?" and "?=" taken off, as base64.
constexpr size_t kEncodedWordBytes = 45;

bool NeedsEncoding(absl::string_view text) {
  size_t unbroken = 0;  // White space and the word behind it, which share a line.
  bool in_word = false;
  for (char c : text) {
    if (!absl::ascii_isprint(c) && c != '\t') return true;
    if (in_word && absl::ascii_isblank(c)) unbroken = 0;
    in_word = !absl::ascii_isblank(c);
    if (++unbroken > kMaxLineBytes - 2) return true;  // No place to fold.
  }
  // Would be decoded by the reader though nobody encoded it.
  return absl::StrContains(text, "=?");
}

bool IsContinuationByte(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// The first word takes at most `first_room` characters where any fits into that.
std::string EncodedWords(absl::string_view text, size_t first_room = kLineBytes) {
  constexpr size_t kFrame = 12;  // "=?UTF-8?B?" and "?=".
  constexpr size_t kLeast = 12;  // Bytes that are worth a word.
  std::string words;
  while (!text.empty()) {
    size_t bytes = std::min(text.size(), kEncodedWordBytes);
    const size_t fitting = first_room < kFrame ? 0 : (first_room - kFrame) / 4 * 3;
    if (words.empty() && fitting >= kLeast) bytes = std::min(bytes, fitting);
    // Each word must hold whole characters (RFC 2047 section 5). Some readers, GMime among them, decode
    // neighbours as one and stop at padding: where there is a choice, a word has none.
    size_t boundary = 0;
    for (size_t cut = bytes; cut > 0 && cut < text.size(); --cut) {
      if (IsContinuationByte(text[cut])) continue;
      if (boundary == 0 || cut % 3 == 0) boundary = cut;
      if (cut % 3 == 0) break;
    }
    if (boundary > 0) bytes = boundary;
    absl::StrAppend(&words, words.empty() ? "" : " ", "=?UTF-8?B?", absl::Base64Escape(text.substr(0, bytes)),
                    "?=");
    text.remove_prefix(bytes);
  }
  return words;
}

// Breaks lines before white space, of which a line keeps all there is: unfolding gives `value` again.
std::string Fold(absl::string_view name, absl::string_view value) {
  std::string header = absl::StrCat(name, ":");
  size_t column = header.size();
  if (!value.empty()) {
    header.push_back(' ');
    ++column;
  }
  bool first = true;
  while (!value.empty()) {
    size_t end = 0;
    while (end < value.size() && absl::ascii_isblank(value[end])) ++end;
    const bool has_word = end < value.size();
    while (end < value.size() && !absl::ascii_isblank(value[end])) ++end;
    // Encoded words are for lines of at most 76 characters (RFC 2047 section 2); others may stay behind the
    // name.
    const bool may_be_long = first && !absl::StartsWith(value, "=?");
    // A line of nothing but white space would end the header for some readers (RFC 5322 section 3.2.2).
    if (has_word && column + end > (may_be_long ? kMaxLineBytes : kLineBytes)) {
      if (first) {
        header.pop_back();
        header.append("\r\n ");
      } else {
        header.append("\r\n");
      }
      column = 0;
    }
    absl::StrAppend(&header, value.substr(0, end));
    column += end;
    first = false;
    value.remove_prefix(end);
  }
  header.append("\r\n");
  return header;
}

// Whether `name` is words of letters and digits with a space between them, which need no quotes.
bool IsPlain(absl::string_view name) {
  bool after_space = true;
  for (char c : name) {
    if (c == ' ' ? after_space : !absl::ascii_isalnum(c)) return false;
    after_space = c == ' ';
  }
  return !after_space;
}

// RFC 5322 section 3.2.5.
std::string Phrase(absl::string_view name) {
  if (NeedsEncoding(name)) return EncodedWords(name);
  if (IsPlain(name)) return std::string(name);
  std::string quoted = "\"";
  for (char c : name) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  quoted.push_back('"');
  return quoted;
}

}  // namespace

std::string TextHeader(absl::string_view name, absl::string_view value) {
  value = absl::StripAsciiWhitespace(value);
  if (!NeedsEncoding(value)) return Fold(name, value);
  const size_t before = name.size() + 2;
  return Fold(name, EncodedWords(value, before < kLineBytes ? kLineBytes - before : 0));
}

std::string StructuredHeader(absl::string_view name, absl::string_view value) {
  return Fold(name, absl::StripAsciiWhitespace(value));
}

std::string AddressHeader(absl::string_view name, const std::vector<task::EmailAddress>& addresses) {
  std::string value;
  for (const task::EmailAddress& address : addresses) {
    if (!value.empty()) value.append(", ");
    if (address.display_name.empty()) {
      absl::StrAppend(&value, address.address);
    } else {
      absl::StrAppend(&value, Phrase(address.display_name), " <", address.address, ">");
    }
  }
  return Fold(name, value);
}

}  // namespace errand::handlers
