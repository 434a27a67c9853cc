#include "server/handlers/email/smtp_reply.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "text/utf8.h"

namespace errand::handlers {
namespace {

// Three digits, of which the first decides (RFC 5321 section 4.2.1). A client must take codes that no list
// has (section 4.2.2), whatever their other digits.
int ParseCode(absl::string_view line) {
  if (line.size() < 3) return 0;
  if (line[0] < '2' || line[0] > '5' || !absl::ascii_isdigit(line[1]) || !absl::ascii_isdigit(line[2])) {
    return 0;
  }
  return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

// The length of "class.subject.detail" at the start of `text` (RFC 3463 section 2), 0 where there is none
// or where its class is not that of the reply.
size_t EnhancedCodeLength(absl::string_view text, int code) {
  if (text.size() < 5 || text[0] - '0' != code / 100 || text[0] == '3' || text[1] != '.') return 0;
  size_t at = 2;
  for (const char end : {'.', ' '}) {
    size_t digits = 0;
    while (at < text.size() && absl::ascii_isdigit(text[at])) ++at, ++digits;
    if (digits < 1 || digits > 3) return 0;
    if (at == text.size()) return end == ' ' ? at : 0;
    if (text[at] != end) return 0;
    if (end == '.') ++at;
  }
  return at;
}

}  // namespace

std::string ToString(const v1::SmtpReply& reply) {
  std::string text = reply.code() == 0 ? "" : absl::StrCat(reply.code(), " ");
  if (!reply.enhanced_code().empty()) absl::StrAppend(&text, reply.enhanced_code(), " ");
  absl::StrAppend(&text, absl::StrReplaceAll(reply.text(), {{"\n", " "}}));
  return std::string(absl::StripTrailingAsciiWhitespace(text));
}

SmtpReplyParser::Result SmtpReplyParser::Feed(absl::string_view& bytes) {
  while (!bytes.empty()) {
    if (!problem_.empty()) return Result::kMalformed;
    const size_t line_feed = bytes.find('\n');
    const bool whole = line_feed != absl::string_view::npos;
    const absl::string_view piece = bytes.substr(0, whole ? line_feed + 1 : bytes.size());
    if (line_.size() + piece.size() > kMaxReplyLineBytes) return Malformed("a line of its reply is too long");
    reply_bytes_ += piece.size();
    if (reply_bytes_ > kMaxReplyBytes) return Malformed("its reply is too long");
    absl::StrAppend(&line_, piece);
    bytes.remove_prefix(piece.size());
    if (!whole) break;
    const Result result = OnLine();
    line_.clear();
    if (result != Result::kIncomplete) return result;
  }
  return Result::kIncomplete;
}

SmtpReplyParser::Result SmtpReplyParser::OnLine() {
  absl::string_view line = line_;
  // Replies say nothing but text, so a line that ends like a Unix line is no danger.
  absl::ConsumeSuffix(&line, "\n");
  absl::ConsumeSuffix(&line, "\r");
  const int code = ParseCode(line);
  if (code == 0) return Malformed("its reply has no three-digit code");
  // The text may be missing altogether (RFC 5321 section 4.2).
  const char separator = line.size() > 3 ? line[3] : ' ';
  if (separator != ' ' && separator != '-') return Malformed("its reply has no space behind the code");
  const bool first = reply_.code() == 0;
  // The lines should agree; where they do not, the last one is the reply (RFC 5321 section 4.2.1).
  if (code / 100 != reply_.code() / 100) reply_.clear_enhanced_code();
  reply_.set_code(code);
  line.remove_prefix(std::min<size_t>(line.size(), 4));
  // RFC 2034 section 4: every line of a reply repeats the enhanced code.
  if (const size_t length = EnhancedCodeLength(line, code); length > 0) {
    if (first) reply_.set_enhanced_code(std::string(line.substr(0, length)));
    if (line.substr(0, length) == reply_.enhanced_code()) {
      line.remove_prefix(std::min(line.size(), length + 1));
    }
  }
  if (!first) AppendText("\n");
  AppendText(line);
  return separator == ' ' ? Result::kReply : Result::kIncomplete;
}

void SmtpReplyParser::AppendText(absl::string_view text) {
  constexpr absl::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD.
  std::string& kept = *reply_.mutable_text();
  while (!text.empty()) {
    const size_t length = text::Utf8Length(text);
    absl::string_view character = length == 0 ? kReplacement : text.substr(0, length);
    if (absl::ascii_iscntrl(text.front()) && text.front() != '\t' && text.front() != '\n') character = "?";
    if (kept.size() + character.size() > kMaxReplyTextBytes) return;
    absl::StrAppend(&kept, character);
    text.remove_prefix(std::max<size_t>(length, 1));
  }
}

SmtpReplyParser::Result SmtpReplyParser::Malformed(absl::string_view problem) {
  problem_ = problem;
  line_.clear();
  return Result::kMalformed;
}

v1::SmtpReply SmtpReplyParser::TakeReply() {
  reply_bytes_ = 0;
  return std::exchange(reply_, v1::SmtpReply());
}

}  // namespace errand::handlers
