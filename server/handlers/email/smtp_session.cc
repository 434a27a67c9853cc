#include "server/handlers/email/smtp_session.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace errand::handlers {
namespace {

using Blame = SmtpFailure::Blame;
using Kind = SmtpFailure::Kind;

// RFC 5321 section 3.8: the server is about to close, whatever it was asked.
constexpr int kServiceClosing = 421;
// RFC 4954 section 6: log in first.
constexpr int kLoginRequired = 530;

bool IsIntermediate(const v1::SmtpReply& reply) { return reply.code() / 100 == 3; }

// Whether EHLO is a command that the server does not know (RFC 5321 section 3.2).
bool IsUnknownCommand(const v1::SmtpReply& reply) {
  return reply.code() == 500 || reply.code() == 501 || reply.code() == 502;
}

Blame BlameOf(const v1::SmtpReply& reply) {
  return reply.code() == kLoginRequired ? Blame::kSetting : Blame::kMail;
}

}  // namespace

absl::string_view PhaseName(SmtpSession::Phase phase) {
  switch (phase) {
    case SmtpSession::Phase::kHandshake:
      return "the TLS handshake";
    case SmtpSession::Phase::kGreeting:
      return "the greeting";
    case SmtpSession::Phase::kEhlo:
      return "EHLO";
    case SmtpSession::Phase::kHelo:
      return "HELO";
    case SmtpSession::Phase::kStartTls:
      return "STARTTLS";
    case SmtpSession::Phase::kAuth:
      return "AUTH";
    case SmtpSession::Phase::kMail:
      return "MAIL FROM";
    case SmtpSession::Phase::kRcpt:
      return "RCPT TO";
    case SmtpSession::Phase::kData:
      return "DATA";
    case SmtpSession::Phase::kMessage:
      return "the message";
    case SmtpSession::Phase::kFinalDot:
      return "the end of the message";
    case SmtpSession::Phase::kReset:
      return "RSET";
    case SmtpSession::Phase::kQuit:
      return "QUIT";
    case SmtpSession::Phase::kReady:
    case SmtpSession::Phase::kClosed:
      break;
  }
  return "nothing";
}

SmtpSession::SmtpSession(TlsMode tls, std::string helo_name, std::optional<SmtpLogin> login)
    : tls_(tls),
      helo_name_(std::move(helo_name)),
      login_(std::move(login)),
      phase_(tls == TlsMode::kImplicit ? Phase::kHandshake : Phase::kGreeting) {
  if (phase_ == Phase::kGreeting) awaited_.push_back(phase_);
}

void SmtpSession::Enter(Phase phase) {
  phase_ = phase;
  ++step_;
  // What no command asks for.
  if (phase == Phase::kGreeting || phase == Phase::kFinalDot) awaited_.push_back(phase);
}

void SmtpSession::Send(Phase phase, absl::string_view command) {
  absl::StrAppend(&output_, command, "\r\n");
  awaited_.push_back(phase);
  ++unsent_;
  if (awaited_.size() == 1) Enter(phase);
}

std::string SmtpSession::TakeOutput() {
  unsent_ = 0;
  return std::exchange(output_, std::string());
}

void SmtpSession::OnReceived(absl::string_view bytes) {
  while (!bytes.empty() && phase_ != Phase::kClosed) {
    switch (parser_.Feed(bytes)) {
      case SmtpReplyParser::Result::kIncomplete:
        return;
      case SmtpReplyParser::Result::kMalformed:
        return Fail(
            {Kind::kProtocolError, absl::StrCat("the mail server does not speak SMTP: ", parser_.problem())});
      case SmtpReplyParser::Result::kReply:
        break;
    }
    const v1::SmtpReply reply = parser_.TakeReply();
    if (phase_ == Phase::kStartTls && IsPositive(reply) && !bytes.empty()) {
      // Whoever put these bytes there did it in clear text; taken for replies that came through TLS, they
      // would be trusted (CVE-2011-0411, RFC 3207 section 6).
      return Fail({Kind::kTlsFailed, "clear text came behind the reply to STARTTLS"});
    }
    OnReply(reply);
  }
}

void SmtpSession::OnReply(const v1::SmtpReply& reply) {
  const Phase asked = phase_;
  if (asked == Phase::kQuit) return Enter(Phase::kClosed);
  if (reply.code() == kServiceClosing) return OnServiceClosing(reply);
  if (asked == Phase::kMessage && !IsPositive(reply) && !IsIntermediate(reply)) {
    // The server has seen enough; it would read a QUIT as part of the message.
    Settle(SmtpFailure{Kind::kRejected,
                       absl::StrCat("the mail server refused the message half-way: ", ToString(reply)), reply,
                       BlameOf(reply)});
    return Enter(Phase::kClosed);
  }
  if (awaited_.size() <= unsent_) {
    // The command that this would answer has not been sent yet.
    return Fail({Kind::kProtocolError, asked == Phase::kMessage ? "a reply came within the message"
                                                                : "a reply came before its command"});
  }
  awaited_.pop_front();
  if (IsIntermediate(reply) && asked != Phase::kData && asked != Phase::kAuth) {
    return Fail({Kind::kProtocolError,
                 absl::StrCat("the reply to ", PhaseName(asked), " asks for more: ", ToString(reply))});
  }
  if (!awaited_.empty()) Enter(awaited_.front());
  switch (asked) {
    case Phase::kGreeting:
      if (IsPositive(reply)) return Send(Phase::kEhlo, absl::StrCat("EHLO ", helo_name_));
      return Refuse(IsPermanent(reply) ? Blame::kSetting : Blame::kBusy, "the connection", reply);
    case Phase::kEhlo:
      return OnEhloReply(reply);
    case Phase::kHelo:
      if (IsPositive(reply)) return LogIn();
      return Refuse(IsPermanent(reply) ? Blame::kSetting : Blame::kBusy, "HELO", reply);
    case Phase::kStartTls:
      if (IsPositive(reply)) return Enter(Phase::kHandshake);
      failure_ = SmtpFailure{Kind::kTlsFailed,
                             absl::StrCat("the mail server refused STARTTLS: ", ToString(reply)), reply};
      return Quit();
    case Phase::kAuth:
      return OnAuthReply(reply);
    case Phase::kMail:
      return OnMailReply(reply);
    case Phase::kRcpt:
      return OnRcptReply(reply);
    case Phase::kData:
      return OnDataReply(reply);
    case Phase::kFinalDot:
      return OnFinalReply(reply);
    case Phase::kReset:
      return IsPositive(reply) ? Enter(Phase::kReady) : Quit();
    case Phase::kHandshake:  // The owner hands all bytes to TLS.
    case Phase::kReady:
    case Phase::kMessage:
    case Phase::kQuit:
    case Phase::kClosed:
      return Enter(Phase::kClosed);
  }
}

void SmtpSession::OnEhloReply(const v1::SmtpReply& reply) {
  if (IsUnknownCommand(reply) && tls_ != TlsMode::kStartTls) {
    // A server without extensions (RFC 5321 section 4.1.4), so without STARTTLS.
    return Send(Phase::kHelo, absl::StrCat("HELO ", helo_name_));
  }
  if (!IsPositive(reply) && !IsUnknownCommand(reply)) {
    return Refuse(IsPermanent(reply) ? Blame::kSetting : Blame::kBusy, "EHLO", reply);
  }
  extensions_ = ParseExtensions(reply);
  if (tls_ != TlsMode::kStartTls || secured_) return LogIn();
  if (extensions_.starttls) return Send(Phase::kStartTls, "STARTTLS");
  failure_ = SmtpFailure{Kind::kTlsFailed, "the mail server does not offer STARTTLS"};
  Quit();
}

void SmtpSession::LogIn() {
  if (!login_.has_value()) return Enter(Phase::kReady);
  const absl::string_view mechanism = SaslName(login_->mechanism);
  if (!absl::c_linear_search(extensions_.auth, mechanism)) {
    failure_ = SmtpFailure{
        Kind::kRejected,
        absl::StrCat("the mail server does not offer to log in with ", mechanism,
                     extensions_.auth.empty() ? "" : ", only with ", absl::StrJoin(extensions_.auth, ", ")),
        std::nullopt, Blame::kSetting};
    return Quit();
  }
  exchange_ = NewSaslExchange(login_->mechanism, login_->user, login_->secret);
  const std::optional<std::string> first = exchange_->Start();
  Send(Phase::kAuth, absl::StrCat("AUTH ", mechanism, first.has_value() ? " " : "",
                                  absl::Base64Escape(first.value_or(""))));
}

void SmtpSession::OnAuthReply(const v1::SmtpReply& reply) {
  if (IsIntermediate(reply)) {
    std::string challenge;
    absl::StatusOr<std::string> response = absl::UnauthenticatedError("the login's challenge is not base64");
    if (absl::Base64Unescape(reply.text(), &challenge)) response = exchange_->Respond(challenge);
    if (response.ok()) return Send(Phase::kAuth, absl::Base64Escape(*response));
    // Whoever does not prove that it knows the password may be somebody else, and gets no mail.
    return Fail({Kind::kRejected, std::string(response.status().message()), std::nullopt, Blame::kSetting});
  }
  const bool proved = exchange_->complete();
  exchange_ = nullptr;
  if (!IsPositive(reply)) {
    return Refuse(IsPermanent(reply) ? Blame::kSetting : Blame::kBusy, "the login", reply);
  }
  if (proved) return Enter(Phase::kReady);
  Fail({Kind::kRejected, "the mail server did not prove that it knows the password", std::nullopt,
        Blame::kSetting});
}

void SmtpSession::OnTlsUp() {
  secured_ = true;
  // What was learned in clear text is forgotten (RFC 3207 section 4.2).
  extensions_ = {};
  if (tls_ == TlsMode::kImplicit) return Enter(Phase::kGreeting);
  Send(Phase::kEhlo, absl::StrCat("EHLO ", helo_name_));
}

void SmtpSession::Begin(SmtpEnvelope envelope) {
  envelope_ = std::move(envelope);
  transcript_ = {};
  sender_refusal_.reset();
  accepted_ = 0;
  busy_ = true;
  if (extensions_.max_message_bytes != 0 && envelope_.message_bytes > extensions_.max_message_bytes) {
    return Settle(
        SmtpFailure{Kind::kRejected,
                    absl::StrCat("the message has ", envelope_.message_bytes,
                                 " bytes, and the mail server takes at most ", extensions_.max_message_bytes),
                    std::nullopt, Blame::kMail, /*permanent=*/true});
  }
  Send(Phase::kMail,
       absl::StrCat("MAIL FROM:<", envelope_.sender, ">",
                    extensions_.size ? absl::StrCat(" SIZE=", envelope_.message_bytes) : std::string()));
  if (!extensions_.pipelining) return;
  for (size_t i = 0; i < envelope_.recipients.size(); ++i) SendRecipient(i);
  Send(Phase::kData, "DATA");
}

void SmtpSession::SendRecipient(size_t index) {
  Send(Phase::kRcpt, absl::StrCat("RCPT TO:<", envelope_.recipients[index], ">"));
}

void SmtpSession::OnMailReply(const v1::SmtpReply& reply) {
  if (!IsPositive(reply)) sender_refusal_ = reply;
  if (extensions_.pipelining) return;
  if (sender_refusal_.has_value()) return Refuse(BlameOf(reply), "the sender", reply);
  SendRecipient(0);
}

void SmtpSession::OnRcptReply(const v1::SmtpReply& reply) {
  // What a server says of recipients behind a sender that it refused is not about them.
  if (sender_refusal_.has_value()) return;
  transcript_.recipient_replies.push_back(reply);
  if (IsPositive(reply)) ++accepted_;
  if (extensions_.pipelining) return;
  if (reply.code() == kLoginRequired) return Refuse(Blame::kSetting, "the recipient", reply);
  const size_t next = transcript_.recipient_replies.size();
  if (next < envelope_.recipients.size()) return SendRecipient(next);
  if (accepted_ > 0) return Send(Phase::kData, "DATA");
  Reset(std::nullopt);
}

void SmtpSession::OnDataReply(const v1::SmtpReply& reply) {
  if (IsIntermediate(reply)) {
    if (accepted_ > 0) return Enter(Phase::kMessage);
    // There is nobody to send it to: an empty message takes the server back (RFC 2920 section 3.1).
    output_.append(".\r\n");
    Enter(Phase::kFinalDot);
    ++unsent_;
    return;
  }
  if (IsPositive(reply)) {
    return Fail({Kind::kProtocolError, absl::StrCat("the reply to DATA is not 354: ", ToString(reply))});
  }
  if (sender_refusal_.has_value()) return Refuse(BlameOf(*sender_refusal_), "the sender", *sender_refusal_);
  for (const v1::SmtpReply& said : transcript_.recipient_replies) {
    if (said.code() == kLoginRequired) return Refuse(Blame::kSetting, "the recipient", said);
  }
  if (accepted_ == 0) return Reset(std::nullopt);
  Refuse(BlameOf(reply), "DATA", reply);
}

void SmtpSession::OnFinalReply(const v1::SmtpReply& reply) {
  if (sender_refusal_.has_value()) {
    Settle(SmtpFailure{Kind::kRejected,
                       absl::StrCat("the mail server refused the sender: ", ToString(*sender_refusal_)),
                       *sender_refusal_, BlameOf(*sender_refusal_)});
  } else {
    if (accepted_ > 0) transcript_.message_reply = reply;
    Settle(std::nullopt);
  }
  Enter(Phase::kReady);
}

void SmtpSession::OnServiceClosing(const v1::SmtpReply& reply) {
  const Phase phase = phase_;
  if (phase == Phase::kFinalDot && accepted_ > 0) {
    transcript_.message_reply = reply;  // A refusal like any other, but that the connection ends.
    Settle(std::nullopt);
  } else if (phase == Phase::kReady || phase == Phase::kReset) {
    // Nothing was under way.
  } else {
    const bool is_hello = !busy_;
    Settle(SmtpFailure{Kind::kRejected, absl::StrCat("the mail server refused to go on: ", ToString(reply)),
                       reply, is_hello ? Blame::kBusy : Blame::kMail});
  }
  output_.clear();
  Enter(Phase::kClosed);
}

void SmtpSession::Settle(std::optional<SmtpFailure> failure) {
  if (std::exchange(busy_, false)) {
    transcript_.failure = std::move(failure);
  } else {
    failure_ = std::move(failure);
  }
}

void SmtpSession::Reset(std::optional<SmtpFailure> failure) {
  Settle(std::move(failure));
  Send(Phase::kReset, "RSET");
}

void SmtpSession::Refuse(Blame blame, absl::string_view what, const v1::SmtpReply& reply) {
  SmtpFailure failure{Kind::kRejected, absl::StrCat("the mail server refused ", what, ": ", ToString(reply)),
                      reply, blame};
  if (busy_) return Reset(std::move(failure));
  failure_ = std::move(failure);
  Quit();
}

void SmtpSession::Fail(SmtpFailure failure) {
  if (phase_ == Phase::kClosed) return;
  const bool handed_over = phase_ == Phase::kFinalDot && accepted_ > 0;
  output_.clear();
  if (handed_over) {
    transcript_.message_reply.emplace().set_text(failure.text);
    Settle(SmtpFailure{
        Kind::kDeliveryUnknown,
        absl::StrCat("the message was handed over, but the mail server did not confirm it: ", failure.text)});
  } else if (busy_ || (!failure_.has_value() && phase_ != Phase::kReady && phase_ != Phase::kReset &&
                       phase_ != Phase::kQuit)) {
    Settle(std::move(failure));
  }
  Enter(Phase::kClosed);
}

}  // namespace errand::handlers
