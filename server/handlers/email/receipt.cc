#include "server/handlers/email/receipt.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
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
  if (!failure.reply.has_value() || failure.reply->code() == 0) {
    return task::Error(reason.code, reason.name, failure.text);
  }
  return task::Error(reason.code, reason.name, failure.text,
                     {{"smtp_code", absl::StrCat(failure.reply->code())},
                      {"smtp_enhanced_code", failure.reply->enhanced_code()}});
}

v1::RecipientState StateOf(const v1::SmtpReply& refusal) {
  return IsPermanent(refusal) ? v1::RECIPIENT_STATE_REFUSED : v1::RECIPIENT_STATE_DEFERRED;
}

v1::RecipientState StateOf(const SmtpFailure& failure) {
  if (failure.kind == SmtpFailure::Kind::kDeliveryUnknown) return v1::RECIPIENT_STATE_UNKNOWN;
  // Only a refusal says something about the mail; TLS, for one, is between the servers.
  if (failure.kind != SmtpFailure::Kind::kRejected) return v1::RECIPIENT_STATE_DEFERRED;
  if (failure.permanent) return v1::RECIPIENT_STATE_REFUSED;
  return failure.reply.has_value() ? StateOf(*failure.reply) : v1::RECIPIENT_STATE_DEFERRED;
}

// Where a recipient stands after the attempt before.
v1::RecipientState StateOf(const v1::RecipientReply& recipient, const v1::EmailReceipt& receipt) {
  if (recipient.state() != v1::RECIPIENT_STATE_UNSPECIFIED) return recipient.state();
  // An older server's: a recipient that was fine shares the fate of the message.
  if (recipient.accepted()) return v1::RECIPIENT_STATE_ACCEPTED;
  return StateOf(IsPositive(recipient.reply()) ? receipt.message_reply() : recipient.reply());
}

// Whether the reply to a recipient says that the transaction has too many (RFC 5321 section 4.5.3.1.10, RFC
// 3463 section 3.6), rather than something of the recipient.
bool IsTooManyRecipients(const v1::SmtpReply& reply) {
  if (!IsTransient(reply) && !IsPermanent(reply)) return false;
  if (absl::EndsWith(reply.enhanced_code(), ".5.3")) return true;
  if (absl::StrContains(absl::AsciiStrToLower(reply.text()), "too many recipients")) return true;
  return reply.code() == 452 && reply.enhanced_code().empty();
}

v1::SmtpReply ReplyOf(const SmtpFailure& failure) {
  v1::SmtpReply reply;
  if (failure.reply.has_value()) {
    reply = *failure.reply;
  } else {
    reply.set_text(failure.text);
  }
  return reply;
}

}  // namespace

Receipt::Receipt(const v1::EmailTask& email, const v1::EmailReceipt& previous, absl::string_view message_id,
                 int32_t attempt)
    : retries_unknown_(email.on_unknown() == v1::ON_UNKNOWN_RETRY), attempt_(attempt) {
  receipt_.set_message_id(std::string(message_id));
  receipt_.set_possible_duplicate(previous.possible_duplicate());
  for (const auto* list : {&email.to(), &email.cc(), &email.bcc()}) {
    for (const std::string& address : *list) {
      v1::RecipientReply& recipient = *receipt_.add_recipients();
      recipient.set_address(task::ParseEmailAddress(address)->address);
      recipient.set_state(v1::RECIPIENT_STATE_PENDING);
    }
  }
  const int count = receipt_.recipients_size();
  open_index_.assign(count, -1);
  // A task's recipients never change, so the receipts of its attempts have them in the same places.
  for (int i = 0; i < std::min(count, previous.recipients_size()); ++i) {
    if (previous.recipients(i).address() != receipt_.recipients(i).address()) continue;
    *receipt_.mutable_recipients(i) = previous.recipients(i);
    receipt_.mutable_recipients(i)->set_state(StateOf(previous.recipients(i), previous));
  }
  const auto& recipients = receipt_.recipients();
  const bool skip_final = previous.handed_over() || absl::c_any_of(recipients, [this](const auto& recipient) {
                            return recipient.state() != v1::RECIPIENT_STATE_ACCEPTED && !IsFinal(recipient);
                          });
  absl::flat_hash_map<absl::string_view, int> index_of;
  for (int i = 0; i < count; ++i) {
    v1::RecipientReply& recipient = *receipt_.mutable_recipients(i);
    if (recipient.state() == v1::RECIPIENT_STATE_ACCEPTED || (skip_final && IsFinal(recipient))) continue;
    if (recipient.state() == v1::RECIPIENT_STATE_UNKNOWN) receipt_.set_possible_duplicate(true);
    recipient.set_state(v1::RECIPIENT_STATE_PENDING);
    const auto [entry, added] = index_of.try_emplace(recipient.address(), static_cast<int>(open_.size()));
    if (added) open_.push_back(recipient.address());
    open_index_[i] = entry->second;
  }
}

bool Receipt::IsFinal(const v1::RecipientReply& recipient) const {
  return recipient.state() == v1::RECIPIENT_STATE_REFUSED ||
         (recipient.state() == v1::RECIPIENT_STATE_UNKNOWN && !retries_unknown_);
}

void Receipt::Record(const SmtpTranscript& transcript, size_t open_index,
                     v1::RecipientReply& recipient) const {
  const auto& failure = transcript.failure;
  const bool answered = open_index < transcript.recipient_replies.size();
  if (answered) *recipient.mutable_reply() = transcript.recipient_replies[open_index];
  if (answered && !IsPositive(recipient.reply())) {
    recipient.set_state(StateOf(recipient.reply()));
  } else if (failure.has_value()) {
    *recipient.mutable_reply() = ReplyOf(*failure);
    recipient.set_state(StateOf(*failure));
  } else if (answered && transcript.message_reply.has_value()) {
    const v1::SmtpReply& message = *transcript.message_reply;
    if (IsPositive(message)) {
      recipient.set_state(v1::RECIPIENT_STATE_ACCEPTED);
    } else {
      *recipient.mutable_reply() = message;
      recipient.set_state(StateOf(message));
    }
  } else {
    recipient.mutable_reply()->Clear();
    recipient.mutable_reply()->set_text("not addressed");
    recipient.set_state(v1::RECIPIENT_STATE_DEFERRED);
  }
  recipient.set_accepted(recipient.state() == v1::RECIPIENT_STATE_ACCEPTED);
}

void Receipt::Add(const SmtpTranscript& transcript, absl::string_view server) {
  if (transcript.message_reply.has_value()) *receipt_.mutable_message_reply() = *transcript.message_reply;
  if (transcript.failure.has_value()) failure_ = transcript.failure;
  // Each further transaction is for fewer: without somebody accepted there is none.
  const bool may_go_on =
      !transcript.failure.has_value() && absl::c_any_of(transcript.recipient_replies, IsPositive);
  std::vector<std::string> left;
  std::vector<int> new_index(open_.size(), -1);
  for (size_t i = 0; may_go_on && i < transcript.recipient_replies.size(); ++i) {
    if (!IsTooManyRecipients(transcript.recipient_replies[i])) continue;
    new_index[i] = static_cast<int>(left.size());
    left.push_back(open_[i]);
  }
  for (int i = 0; i < receipt_.recipients_size(); ++i) {
    if (open_index_[i] < 0) continue;
    v1::RecipientReply& recipient = *receipt_.mutable_recipients(i);
    Record(transcript, open_index_[i], recipient);
    recipient.set_attempt(attempt_);
    recipient.set_server(std::string(server));
    open_index_[i] = new_index[open_index_[i]];
    // Whatever its code, it was no refusal of this recipient.
    if (open_index_[i] >= 0) recipient.set_state(v1::RECIPIENT_STATE_DEFERRED);
  }
  open_ = std::move(left);
}

void Receipt::Fail(const SmtpFailure& failure) {
  failure_ = failure;
  for (int i = 0; i < receipt_.recipients_size(); ++i) {
    if (open_index_[i] < 0) continue;
    v1::RecipientReply& recipient = *receipt_.mutable_recipients(i);
    *recipient.mutable_reply() = ReplyOf(failure);
    recipient.set_state(StateOf(failure));
    recipient.set_attempt(attempt_);
    open_index_[i] = -1;
  }
  open_.clear();
}

v1::EmailReceipt Receipt::HandedOver(const std::vector<v1::SmtpReply>& replies,
                                     absl::string_view server) const {
  v1::EmailReceipt kept = receipt_;
  kept.set_handed_over(true);
  const SmtpFailure unknown{SmtpFailure::Kind::kDeliveryUnknown,
                            "the message was handed over, and the attempt was interrupted"};
  SmtpTranscript transcript;
  transcript.recipient_replies = replies;
  transcript.failure = unknown;
  for (int i = 0; i < kept.recipients_size(); ++i) {
    if (open_index_[i] < 0) continue;
    v1::RecipientReply& recipient = *kept.mutable_recipients(i);
    Record(transcript, open_index_[i], recipient);
    recipient.set_attempt(attempt_);
    recipient.set_server(std::string(server));
  }
  return kept;
}

Outcome Receipt::Conclude() const {
  Outcome outcome;
  int refused = 0;
  int unknown = 0;
  bool all_final = true;
  const v1::RecipientReply* first_refused = nullptr;
  const v1::RecipientReply* first_unknown = nullptr;
  for (const v1::RecipientReply& recipient : receipt_.recipients()) {
    if (recipient.state() == v1::RECIPIENT_STATE_ACCEPTED) continue;
    all_final &= IsFinal(recipient);
    if (recipient.state() == v1::RECIPIENT_STATE_UNKNOWN) {
      if (unknown++ == 0) first_unknown = &recipient;
    } else if (refused++ == 0) {
      first_refused = &recipient;
    }
  }
  if (failure_.has_value()) {
    outcome.status = ToStatus(*failure_);
  } else if (first_unknown != nullptr) {
    outcome.status =
        ToStatus({SmtpFailure::Kind::kDeliveryUnknown,
                  absl::StrCat("an attempt handed the message over, and it is not known whether ", unknown,
                               " of ", receipt_.recipients_size(), " recipients got it, first <",
                               first_unknown->address(), ">")});
  } else if (first_refused != nullptr) {
    const v1::SmtpReply& reply = first_refused->reply();
    const bool message_refused = receipt_.has_message_reply() && !IsPositive(receipt_.message_reply()) &&
                                 receipt_.message_reply().SerializeAsString() == reply.SerializeAsString();
    outcome.status =
        ToStatus({SmtpFailure::Kind::kRejected,
                  message_refused ? absl::StrCat("the mail server refused the message: ", ToString(reply))
                                  : absl::StrCat("the mail server refused ", refused, " of ",
                                                 receipt_.recipients_size(), " recipients, first <",
                                                 first_refused->address(), ">: ", ToString(reply)),
                  reply});
  }
  outcome.permanent = !outcome.status.ok() && all_final;
  *outcome.result.mutable_email() = receipt_;
  return outcome;
}

}  // namespace errand::handlers
