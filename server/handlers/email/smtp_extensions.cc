#include "server/handlers/email/smtp_extensions.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace errand::handlers {

SmtpExtensions ParseExtensions(const v1::SmtpReply& ehlo) {
  SmtpExtensions offered;
  bool first = true;
  for (const absl::string_view line : absl::StrSplit(ehlo.text(), '\n')) {
    if (first) {  // The server's name.
      first = false;
      continue;
    }
    // "AUTH=PLAIN" is what some servers say to clients that are older than RFC 4954.
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" =\t"), absl::SkipEmpty());
    if (words.empty()) continue;
    if (absl::EqualsIgnoreCase(words[0], "STARTTLS")) offered.starttls = true;
    if (absl::EqualsIgnoreCase(words[0], "PIPELINING")) offered.pipelining = true;
    if (absl::EqualsIgnoreCase(words[0], "SIZE")) {
      offered.size = true;
      if (words.size() > 1 && !absl::SimpleAtoi(words[1], &offered.max_message_bytes)) {
        offered.max_message_bytes = 0;
      }
    }
    if (absl::EqualsIgnoreCase(words[0], "AUTH")) {
      for (size_t i = 1; i < words.size(); ++i) offered.auth.push_back(absl::AsciiStrToUpper(words[i]));
    }
  }
  return offered;
}

}  // namespace errand::handlers
