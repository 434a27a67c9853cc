#include "server/handlers/email/receipt.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "server/task/email_address.h"
#include "server/task/errors.h"

namespace errand::handlers {
namespace {

struct Reason {
  absl::StatusCode code;
  absl::string_view name;
};

Reason ReasonOf(SmtpFailure::Kind kind) {
  switch (kind) {
    case SmtpFailure::Kind::kUnreachable:
      return {absl::StatusCode::kUnavailable, "SMTP_UNREACHABLE"};
    case SmtpFailure::Kind::kRejected:
      return {absl::StatusCode::kFailedPrecondition, "SMTP_REJECTED"};
    case SmtpFailure::Kind::kTlsFailed:
      return {absl::StatusCode::kUnavailable, "SMTP_TLS_FAILED"};
    case SmtpFailure::Kind::kProtocolError:
      return {absl::StatusCode::kUnavailable, "SMTP_PROTOCOL_ERROR"};
    case SmtpFailure::Kind::kTimeout:
      return {absl::StatusCode::kDeadlineExceeded, "SMTP_TIMEOUT"};
    case SmtpFailure::Kind::kRunTimeout:
      return {absl::StatusCode::kDeadlineExceeded, "RUN_TIMEOUT_EXCEEDED"};
    case SmtpFailure::Kind::kDeliveryUnknown:
      return {absl::StatusCode::kUnknown, "DELIVERY_UNKNOWN"};
    case SmtpFailure::Kind::kCancelled:
      return {absl::StatusCode::kCancelled, "CANCELLED"};
  }
  return {absl::StatusCode::kUnknown, "DELIVERY_UNKNOWN"};
}

absl::Status ToStatus(const SmtpFailure& failure) {
  const Reason reason = ReasonOf(failure.kind);
  if (!failure.reply.has_value()) return task::Error(reason.code, reason.name, failure.text);
  return task::Error(reason.code, reason.name, failure.text,
                     {{"smtp_code", absl::StrCat(failure.reply->code())},
                      {"smtp_enhanced_code", failure.reply->enhanced_code()}});
}

}  // namespace

Receipt::Receipt(const v1::EmailTask& email, const v1::EmailReceipt& previous, absl::string_view message_id) {
  receipt_.set_message_id(std::string(message_id));
  for (const auto* list : {&email.to(), &email.cc(), &email.bcc()}) {
    for (const std::string& recipient : *list) {
      receipt_.add_recipients()->set_address(task::ParseEmailAddress(recipient)->address);
    }
  }
  const int count = receipt_.recipients_size();
  standings_.assign(count, Standing::kTransient);
  open_index_.assign(count, -1);
  // A task's recipients never change, so the receipts of its attempts have them in the same places.
  for (int i = 0; i < std::min(count, previous.recipients_size()); ++i) {
    if (previous.recipients(i).address() != receipt_.recipients(i).address()) continue;
    *receipt_.mutable_recipients(i) = previous.recipients(i);
    standings_[i] = StandingOf(previous.recipients(i), previous);
  }
  const bool refusals_are_final =
      std::find(standings_.begin(), standings_.end(), Standing::kTransient) != standings_.end();
  absl::flat_hash_map<absl::string_view, int> index_of;
  for (int i = 0; i < count; ++i) {
    if (standings_[i] == Standing::kAccepted) continue;
    if (standings_[i] == Standing::kPermanent && refusals_are_final) continue;
    const std::string& address = receipt_.recipients(i).address();
    const auto [entry, added] = index_of.try_emplace(address, static_cast<int>(open_.size()));
    if (added) open_.push_back(address);
    open_index_[i] = entry->second;
  }
}

Receipt::Standing Receipt::StandingOf(const v1::RecipientReply& recipient, const v1::EmailReceipt& receipt) {
  if (recipient.accepted()) return Standing::kAccepted;
  // A recipient that was fine shares the fate of the message.
  const v1::SmtpReply& reply = IsPositive(recipient.reply()) ? receipt.message_reply() : recipient.reply();
  return IsPermanent(reply) ? Standing::kPermanent : Standing::kTransient;
}

Receipt::Standing Receipt::Record(const SmtpTranscript& transcript, size_t open_index,
                                  v1::RecipientReply& recipient) const {
  const auto& failure = transcript.failure;
  const bool answered = open_index < transcript.recipient_replies.size();
  if (answered) {
    *recipient.mutable_reply() = transcript.recipient_replies[open_index];
  } else if (failure.has_value() && failure->reply.has_value()) {
    *recipient.mutable_reply() = *failure->reply;
  } else {
    recipient.mutable_reply()->Clear();
    recipient.mutable_reply()->set_text(failure.has_value() ? failure->text : "not addressed");
  }
  if (answered && !IsPositive(recipient.reply())) return StandingOf(recipient, receipt_);
  if (failure.has_value()) {
    // Only a refusal says something about the mail; TLS, for one, is between the servers.
    const bool final = failure->kind == SmtpFailure::Kind::kDeliveryUnknown ||
                       (failure->kind == SmtpFailure::Kind::kRejected && failure->reply.has_value() &&
                        IsPermanent(*failure->reply));
    return final ? Standing::kPermanent : Standing::kTransient;
  }
  recipient.set_accepted(transcript.message_reply.has_value() && IsPositive(*transcript.message_reply));
  return StandingOf(recipient, receipt_);
}

Outcome Receipt::Conclude(const SmtpTranscript& transcript) {
  if (transcript.message_reply.has_value()) *receipt_.mutable_message_reply() = *transcript.message_reply;
  int refused = 0;
  bool transient = false;
  const v1::RecipientReply* first_refused = nullptr;
  for (int i = 0; i < receipt_.recipients_size(); ++i) {
    v1::RecipientReply& recipient = *receipt_.mutable_recipients(i);
    if (open_index_[i] >= 0) standings_[i] = Record(transcript, open_index_[i], recipient);
    if (standings_[i] == Standing::kAccepted) continue;
    transient |= standings_[i] == Standing::kTransient;
    ++refused;
    if (first_refused == nullptr) first_refused = &recipient;
  }
  Outcome outcome;
  if (transcript.failure.has_value()) {
    outcome.status = ToStatus(*transcript.failure);
    // Sending it again could deliver it twice, to whomever else that would help.
    outcome.permanent = !transient || transcript.failure->kind == SmtpFailure::Kind::kDeliveryUnknown;
  } else if (first_refused != nullptr) {
    const bool message_refused = IsPositive(first_refused->reply()) && receipt_.has_message_reply();
    const v1::SmtpReply& reply = message_refused ? receipt_.message_reply() : first_refused->reply();
    outcome.status =
        ToStatus({SmtpFailure::Kind::kRejected,
                  message_refused ? absl::StrCat("the mail server refused the message: ", ToString(reply))
                                  : absl::StrCat("the mail server refused ", refused, " of ",
                                                 receipt_.recipients_size(), " recipients, first <",
                                                 first_refused->address(), ">: ", ToString(reply)),
                  reply});
    outcome.permanent = !transient;
  }
  *outcome.result.mutable_email() = receipt_;
  return outcome;
}

}  // namespace errand::handlers
