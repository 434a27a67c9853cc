#ifndef ERRAND_SERVER_HANDLERS_EMAIL_SMTP_FAILURE_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_SMTP_FAILURE_H_

#include <optional>
#include <string>

#include "errand/v1/task.pb.h"

namespace errand::handlers {

// Why a connection, or a message on it, came to an early end.
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

  // Whose fault it is, so who pays for it.
  enum class Blame {
    kMail,     // The attempt ends with this failure.
    kBusy,     // The server takes no further connection for now: mails wait, which costs them nothing.
    kSetting,  // The server takes no mail from a client that is set up like this one: mails wait, too.
  };

  Kind kind = Kind::kUnreachable;
  std::string text = {};                              // For people; one line.
  std::optional<v1::SmtpReply> reply = std::nullopt;  // Where a reply was the cause.
  Blame blame = Blame::kMail;
  // Where no reply says so: the same would come again.
  bool permanent = false;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_SMTP_FAILURE_H_
