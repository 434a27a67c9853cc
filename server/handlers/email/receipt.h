#ifndef ERRAND_SERVER_HANDLERS_EMAIL_RECEIPT_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_RECEIPT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "errand/v1/task.pb.h"
#include "server/handlers/email/smtp_session.h"
#include "server/handlers/handler.h"

namespace errand::handlers {

// Who is still to be served by an attempt, and what the attempt says about it in the end.
class Receipt {
 public:
  // `email` is valid. `previous` is the receipt that the attempt before left, empty for the first: whoever
  // accepted the message then is not addressed again. Nor is who refused it for good, as long as somebody
  // is left who did not: the retry is for the latter. When only refusals for good are left, someone asked
  // for the task to be run again (RetryTask), and all of them are addressed.
  Receipt(const v1::EmailTask& email, const v1::EmailReceipt& previous, absl::string_view message_id);

  // The addresses for RCPT TO, each once. Empty when nothing is left to be done.
  const std::vector<std::string>& open() const { return open_; }

  // The outcome, usage excepted. `transcript.recipient_replies` are in the order of open().
  Outcome Conclude(const SmtpTranscript& transcript);

 private:
  // What a recipient has come to.
  enum class Standing { kAccepted, kTransient, kPermanent };

  static Standing StandingOf(const v1::RecipientReply& recipient, const v1::EmailReceipt& receipt);
  Standing Record(const SmtpTranscript& transcript, size_t open_index, v1::RecipientReply& recipient) const;

  v1::EmailReceipt receipt_;
  std::vector<Standing> standings_;  // Of each recipient of receipt_.
  std::vector<int> open_index_;      // For each recipient of receipt_: its place in open_, or -1.
  std::vector<std::string> open_;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_RECEIPT_H_
