#ifndef ERRAND_SERVER_HANDLERS_EMAIL_MESSAGE_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_MESSAGE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "errand/v1/task.pb.h"

namespace errand::handlers {

// The Message-ID of a task, angle brackets included. `domain` is the name that the server gives itself in
// EHLO; as long as that stays, so does the Message-ID.
std::string MessageId(absl::string_view task_uid, absl::string_view domain);

// The message (RFC 5322, RFC 2045) of `email`, which is valid (task/validate_email.h). Lines end with CR LF,
// the last one perhaps excepted; it is 7-bit clean with lines of at most 998 bytes, so that the mail server
// needs no extension to take it. Nobody in `bcc` is named. Line ends in text and html become those of
// e-mail; attachments arrive byte for byte. From any thread.
std::string BuildMessage(const v1::EmailTask& email, absl::string_view message_id, absl::Time date);

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_MESSAGE_H_
