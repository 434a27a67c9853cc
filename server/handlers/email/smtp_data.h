#ifndef ERRAND_SERVER_HANDLERS_EMAIL_SMTP_DATA_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_SMTP_DATA_H_

#include <cstddef>
#include <string>

namespace errand::handlers {

// A message as it goes over the wire after DATA: every line ends with CR LF, lines that start with a full
// stop get another one (RFC 5321 section 4.5.2), and ".\r\n" comes last. A CR or LF on its own becomes
// CR LF: servers differ in what they take for the end of such a line, and one message could be read as two
// ("SMTP smuggling", CVE-2023-51764).
//
// The encoded message is made piece by piece, so that it is not in memory a second time.
class SmtpData {
 public:
  explicit SmtpData(std::string message);

  // Appends at least `bytes` more where there are as many, and at most twice as many and a few; nothing once
  // done(). `bytes` is at least 1.
  void AppendTo(std::string& out, size_t bytes);

  // All has been appended, the final dot included.
  bool done() const { return done_; }

  // Bytes of the message before encoding.
  size_t message_bytes() const { return message_.size(); }

 private:
  const std::string message_;
  size_t next_ = 0;
  bool line_start_ = true;
  bool done_ = false;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_SMTP_DATA_H_
