#ifndef ERRAND_SERVER_HANDLERS_EMAIL_SMTP_DATA_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_SMTP_DATA_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace errand::handlers {

// A message as it goes over the wire after DATA: every line ends with CR LF, and lines that start with a full
// stop get another one (RFC 5321 section 4.5.2). The final dot is sent apart. A CR or LF on its own becomes
// CR LF: servers differ in what they take for the end of such a line, and one message could be read as two
// ("SMTP smuggling", CVE-2023-51764).
//
// The encoded message is made piece by piece, so that it is not in memory a second time.
class SmtpData {
 public:
  // `message` is borrowed.
  explicit SmtpData(absl::string_view message) : message_(message) {}

  // Appends at least `bytes` more where there are as many, and at most twice as many and a few; nothing once
  // done(). `bytes` is at least 1.
  void AppendTo(std::string& out, size_t bytes);

  // All has been appended, to the end of the last line.
  bool done() const { return done_; }

 private:
  const absl::string_view message_;
  size_t next_ = 0;
  bool line_start_ = true;
  bool done_ = false;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_SMTP_DATA_H_
