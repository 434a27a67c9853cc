#ifndef ERRAND_SERVER_HANDLERS_EMAIL_SMTP_FAILURE_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_SMTP_FAILURE_H_

#include <optional>
#include <string>

#include "errand/v1/task.pb.h"

namespace errand::handlers {

// Why an attempt to deliver a message ended early.
struct SmtpFailure {
  // One for each reason that `Task.error` lists for e-mail.
  enum class Kind {
    kUnreachable,
    kRejected,
    kTlsFailed,
    kProtocolError,
    kTimeout,
    kRunTimeout,
    kDeliveryUnknown,
    kCancelled,
  };

  Kind kind = Kind::kUnreachable;
  std::string text;                    // For people; one line.
  std::optional<v1::SmtpReply> reply;  // Where a reply was the cause.
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_SMTP_FAILURE_H_
