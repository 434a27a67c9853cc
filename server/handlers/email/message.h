#ifndef ERRAND_SERVER_HANDLERS_EMAIL_MESSAGE_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_MESSAGE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "errand/v1/task.pb.h"

namespace errand::handlers {

// The Message-ID of the task that is `uid`, angle brackets included: in `domain`, or where that is empty in
// the domain of `email.from`, so that it is the same wherever and however often the task runs (RFC 5322
// section 3.6.4). `email` is valid.
std::string MessageId(absl::string_view task_uid, const v1::EmailTask& email, absl::string_view domain = "");

// The Date of a task's message: when the author said that it is ready to go (RFC 5322 section 3.6.1), which
// is `create_time`, or the time for which it was scheduled.
absl::Time MessageDate(const v1::Task& task, absl::Time create_time);

// The message (RFC 5322, RFC 2045) of `email`, which is valid (task/validate_email.h). Lines end with CR LF,
// the last one perhaps excepted; it is 7-bit clean with lines of at most 998 bytes, so that the mail server
// needs no extension to take it. Nobody in `bcc` is named. Line ends in text and html become those of
// e-mail; attachments arrive byte for byte. From any thread.
std::string BuildMessage(const v1::EmailTask& email, absl::string_view message_id, absl::Time date);

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_MESSAGE_H_
