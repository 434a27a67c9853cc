#ifndef ERRAND_SERVER_HANDLERS_EMAIL_SMTP_EXTENSIONS_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_SMTP_EXTENSIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "errand/v1/task.pb.h"

namespace errand::handlers {

// What a server offers beyond RFC 5321, of which Errand makes use.
struct SmtpExtensions {
  bool starttls = false;           // RFC 3207.
  bool pipelining = false;         // RFC 2920.
  bool size = false;               // RFC 1870: MAIL may say how large the message is.
  uint64_t max_message_bytes = 0;  // What SIZE says; 0: nothing.
  std::vector<std::string> auth;   // RFC 4954: the mechanisms, in capitals.
};

// What the reply to EHLO says (RFC 5321 section 4.1.1.1): each line after the first starts with a keyword, in
// any case. What cannot be read is not offered.
SmtpExtensions ParseExtensions(const v1::SmtpReply& ehlo);

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_SMTP_EXTENSIONS_H_
