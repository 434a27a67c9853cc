#ifndef ERRAND_SERVER_HANDLERS_EMAIL_RECEIPT_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_RECEIPT_H_

#include <cstdint>
#include <optional>
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
  // `email` is valid. `previous` is the receipt that the attempt before left, empty for the first. Whoever
  // has accepted the message is not addressed again; nor is who refused it for good, or may have got it (see
  // EmailTask.on_unknown), as long as somebody is left who did not: the retry is for the latter. When nobody
  // else is left, someone asked for the task to be run again (RetryTask), and all of them are addressed; but
  // not where the attempt before was interrupted, `previous.handed_over`. `attempt` is this one's number.
  Receipt(const v1::EmailTask& email, const v1::EmailReceipt& previous, absl::string_view message_id,
          int32_t attempt);

  // The addresses for RCPT TO of the next transaction, each once. Empty when nothing is left to be done.
  const std::vector<std::string>& open() const { return open_; }

  // Takes in what came of a transaction with open() on `server`. Left open are those for whom that had no
  // room (RFC 5321 section 4.5.3.1.10).
  void Add(const SmtpTranscript& transcript, absl::string_view server);

  // Nothing more will be tried: leaves nobody open.
  void Fail(const SmtpFailure& failure);

  // What the next attempt must know, should this one be interrupted after the final dot: the recipients of
  // open() got `replies`.
  v1::EmailReceipt HandedOver(const std::vector<v1::SmtpReply>& replies, absl::string_view server) const;

  // The outcome, usage excepted. Nobody is open.
  Outcome Conclude() const;

 private:
  using State = v1::RecipientState;

  void Record(const SmtpTranscript& transcript, size_t open_index, v1::RecipientReply& recipient) const;
  bool IsFinal(const v1::RecipientReply& recipient) const;

  const bool retries_unknown_;
  const int32_t attempt_;
  v1::EmailReceipt receipt_;
  std::vector<int> open_index_;  // For each recipient of receipt_: its place in open_, or -1.
  std::vector<std::string> open_;
  std::optional<SmtpFailure> failure_;  // The last one.
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_RECEIPT_H_
