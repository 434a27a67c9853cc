#include "server/task/email_address.h"

#include <arpa/inet.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/task/limits.h"

namespace errand::task {
namespace {

// RFC 5321 section 4.5.3.1. A path is counted with its angle brackets.
constexpr size_t kMaxLocalBytes = 64;
constexpr size_t kMaxDomainBytes = 255;
constexpr size_t kMaxPathBytes = 256;
constexpr size_t kMaxLabelBytes = 63;  // RFC 1035 section 2.3.4.

constexpr absl::string_view kForm = "must be local@domain or Name <local@domain> (RFC 5322 section 3.4)";

absl::Status Problem(absl::string_view problem) { return absl::InvalidArgumentError(problem); }

bool IsAtext(char c) {
  return absl::ascii_isalnum(c) || absl::StrContains("!#$%&'*+-/=?^_`{|}~", absl::string_view(&c, 1));
}

bool IsAscii(absl::string_view text) {
  for (char c : text) {
    if (!absl::ascii_isascii(c)) return false;
  }
  return true;
}

// Takes a quoted string (RFC 5322 section 3.2.4) off the front of `text` and appends what it means to
// `content`. Control characters were refused before.
bool ConsumeQuoted(absl::string_view& text, std::string& content) {
  if (!absl::ConsumePrefix(&text, "\"")) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return true;
    }
    if (text[i] == '\\' && ++i == text.size()) return false;
    content.push_back(text[i]);
  }
  return false;
}

bool IsDotAtom(absl::string_view text) {
  bool after_dot = true;
  for (char c : text) {
    if (c == '.' ? after_dot : !IsAtext(c)) return false;
    after_dot = c == '.';
  }
  return !after_dot;
}

// Takes what stands before the @ off the front of `text`, quotes included.
bool ConsumeLocal(absl::string_view& text) {
  std::string content;
  if (absl::StartsWith(text, "\"")) return ConsumeQuoted(text, content);
  const size_t at = text.find('@');
  if (at == absl::string_view::npos || !IsDotAtom(text.substr(0, at))) return false;
  text.remove_prefix(at);
  return true;
}

bool IsAddressLiteral(absl::string_view text) {
  if (!absl::ConsumePrefix(&text, "[") || !absl::ConsumeSuffix(&text, "]")) return false;
  in6_addr address;
  const int family = absl::StartsWithIgnoreCase(text, "IPv6:") ? AF_INET6 : AF_INET;
  if (family == AF_INET6) text.remove_prefix(5);
  return text.size() <= INET6_ADDRSTRLEN && inet_pton(family, std::string(text).c_str(), &address) == 1;
}

bool IsHostName(absl::string_view text) {
  size_t label = 0;
  char last = '-';
  for (char c : text) {
    if (c == '.') {
      if (label == 0 || last == '-') return false;
      label = 0;
    } else {
      if (!absl::ascii_isalnum(c) && (c != '-' || label == 0)) return false;
      if (++label > kMaxLabelBytes) return false;
    }
    last = c;
  }
  return label > 0 && last != '-';
}

absl::Status CheckAddress(absl::string_view address) {
  if (!IsAscii(address)) return Problem("must have an address in ASCII (write the domain as xn--...)");
  absl::string_view rest = address;
  if (!ConsumeLocal(rest)) return Problem(kForm);
  const size_t local_bytes = address.size() - rest.size();
  if (!absl::ConsumePrefix(&rest, "@")) return Problem(kForm);
  if (local_bytes > kMaxLocalBytes) return Problem("must have at most 64 bytes before the @");
  if (rest.size() > kMaxDomainBytes) return Problem("must have at most 255 bytes after the @");
  if (address.size() + 2 > kMaxPathBytes) return Problem("must have an address of at most 254 bytes");
  if (!IsMailDomain(rest)) {
    return Problem(
        "must have a domain of letters, digits and hyphens after the @, or an address such as [192.0.2.1]");
  }
  return absl::OkStatus();
}

// Takes a phrase (RFC 5322 section 3.2.5) off the front of `text`, up to the angle bracket.
absl::Status ConsumeDisplayName(absl::string_view& text, std::string& name) {
  for (;;) {
    text = absl::StripLeadingAsciiWhitespace(text);
    if (text.empty()) return Problem(kForm);
    if (text.front() == '<') return absl::OkStatus();
    if (!name.empty()) name.push_back(' ');
    if (text.front() == '"') {
      if (!ConsumeQuoted(text, name)) return Problem("must close the quotes around the name");
      continue;
    }
    size_t word = 0;
    while (word < text.size() &&
           (IsAtext(text[word]) || text[word] == '.' || !absl::ascii_isascii(text[word]))) {
      ++word;
    }
    if (word == 0) {
      return Problem("must have quotes around a name with any of ( ) > [ ] : ; @ \\ , in it");
    }
    absl::StrAppend(&name, text.substr(0, word));
    text.remove_prefix(word);
  }
}

}  // namespace

absl::StatusOr<std::vector<EmailAddress>> ParseEmailAddresses(absl::string_view text) {
  std::vector<EmailAddress> addresses;
  size_t start = 0;
  bool quoted = false;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && quoted && text[i] == '\\') {
      ++i;
      continue;
    }
    if (i < text.size() && text[i] == '"') quoted = !quoted;
    if (i < text.size() && (quoted || text[i] != ',')) continue;
    absl::StatusOr<EmailAddress> address =
        ParseEmailAddress(absl::StripAsciiWhitespace(text.substr(start, i - start)));
    if (!address.ok()) return address.status();
    addresses.push_back(*std::move(address));
    start = i + 1;
  }
  return addresses;
}

bool IsMailDomain(absl::string_view domain) {
  if (domain.size() > kMaxDomainBytes) return false;
  return absl::StartsWith(domain, "[") ? IsAddressLiteral(domain) : IsHostName(domain);
}

absl::StatusOr<EmailAddress> ParseEmailAddress(absl::string_view text) {
  if (text.size() > static_cast<size_t>(kMaxHeaderValueBytes)) return Problem("must be at most 998 bytes");
  for (char c : text) {
    if (c == '\r' || c == '\n' || c == '\0') return Problem("must not hold CR, LF or NUL");
    if (absl::ascii_iscntrl(c) && c != '\t') return Problem("must not hold control characters");
  }
  text = absl::StripAsciiWhitespace(text);
  EmailAddress parsed;
  if (absl::EndsWith(text, ">")) {
    if (absl::Status status = ConsumeDisplayName(text, parsed.display_name); !status.ok()) return status;
    text.remove_prefix(1);
    text.remove_suffix(1);
  }
  if (absl::Status status = CheckAddress(text); !status.ok()) return status;
  parsed.address = std::string(text);
  return parsed;
}

}  // namespace errand::task
