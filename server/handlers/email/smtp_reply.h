#ifndef ERRAND_SERVER_HANDLERS_EMAIL_SMTP_REPLY_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_SMTP_REPLY_H_

#include <string>

#include "absl/strings/string_view.h"
#include "errand/v1/task.pb.h"

namespace errand::handlers {

// RFC 5321 section 4.5.3.1.5 allows 512 octets a line; servers that explain themselves write more.
inline constexpr size_t kMaxReplyLineBytes = 2048;
inline constexpr size_t kMaxReplyBytes = 64 << 10;
inline constexpr size_t kMaxReplyTextBytes = 4 << 10;  // As published at v1::SmtpReply.

// The classes of RFC 5321 section 4.2.1.
inline bool IsPositive(const v1::SmtpReply& reply) { return reply.code() / 100 == 2; }
inline bool IsTransient(const v1::SmtpReply& reply) { return reply.code() / 100 == 4; }
inline bool IsPermanent(const v1::SmtpReply& reply) { return reply.code() / 100 == 5; }

// "550 5.1.1 no such user", on one line.
std::string ToString(const v1::SmtpReply& reply);

// Puts replies (RFC 5321 section 4.2) together from bytes that come in pieces of any size. Holds at most
// one reply, so hostile input costs no more than kMaxReplyLineBytes + kMaxReplyTextBytes of memory.
class SmtpReplyParser {
 public:
  enum class Result { kIncomplete, kReply, kMalformed };

  // Takes bytes off the front of `bytes`: all of them, or up to the end of a reply, or up to the line that
  // cannot be SMTP. After kMalformed the parser takes no more.
  Result Feed(absl::string_view& bytes);

  // The reply that Feed announced. Its text is UTF-8 (RFC 6531 section 3.7.4.2) of at most
  // kMaxReplyTextBytes: bytes that are not become U+FFFD, control characters '?'.
  v1::SmtpReply TakeReply();

  // What was wrong; for people.
  absl::string_view problem() const { return problem_; }

 private:
  Result OnLine();
  Result Malformed(absl::string_view problem);
  void AppendText(absl::string_view text);

  std::string line_;
  v1::SmtpReply reply_;  // code() is 0 before the first line.
  size_t reply_bytes_ = 0;
  absl::string_view problem_;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_SMTP_REPLY_H_
