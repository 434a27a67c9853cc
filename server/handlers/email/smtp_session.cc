#include "server/handlers/email/smtp_session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace errand::handlers {
namespace {

// RFC 5321 section 3.8: the server is about to close, whatever it was asked.
constexpr int kServiceClosing = 421;

// Whether the reply to EHLO offers `keyword` (RFC 5321 section 4.1.1.1): each line after the first starts
// with one.
bool Offers(const v1::SmtpReply& ehlo, absl::string_view keyword) {
  bool first = true;
  for (absl::string_view line : absl::StrSplit(ehlo.text(), '\n')) {
    if (!first && absl::EqualsIgnoreCase(line.substr(0, line.find(' ')), keyword)) return true;
    first = false;
  }
  return false;
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
    case SmtpSession::Phase::kQuit:
      return "QUIT";
    case SmtpSession::Phase::kClosed:
      break;
  }
  return "nothing";
}

SmtpSession::SmtpSession(SmtpEnvelope envelope, TlsMode tls, std::string helo_name)
    : envelope_(std::move(envelope)),
      tls_(tls),
      helo_name_(std::move(helo_name)),
      phase_(tls == TlsMode::kImplicit ? Phase::kHandshake : Phase::kGreeting) {}

void SmtpSession::Enter(Phase phase) {
  phase_ = phase;
  ++step_;
}

void SmtpSession::Send(Phase phase, absl::string_view command) {
  absl::StrAppend(&output_, command, "\r\n");
  Enter(phase);
}

void SmtpSession::OnReceived(absl::string_view bytes) {
  while (!bytes.empty() && phase_ != Phase::kClosed) {
    switch (parser_.Feed(bytes)) {
      case SmtpReplyParser::Result::kIncomplete:
        return;
      case SmtpReplyParser::Result::kMalformed:
        Fail(SmtpFailure::Kind::kProtocolError,
             absl::StrCat("the mail server does not speak SMTP: ", parser_.problem()));
        return;
      case SmtpReplyParser::Result::kReply:
        break;
    }
    const v1::SmtpReply reply = parser_.TakeReply();
    if (phase_ == Phase::kStartTls && IsPositive(reply) && !bytes.empty()) {
      // Whoever put these bytes there did it in clear text; taken for replies that came through TLS, they
      // would be trusted (CVE-2011-0411, RFC 3207 section 6).
      Fail(SmtpFailure::Kind::kTlsFailed, "clear text came behind the reply to STARTTLS");
      return;
    }
    if (!output_.empty() && reply.code() != kServiceClosing && phase_ != Phase::kQuit) {
      // The command that this would answer has not been sent yet.
      Fail(SmtpFailure::Kind::kProtocolError, "a reply came before its command");
      return;
    }
    OnReply(reply);
  }
}

void SmtpSession::OnReply(const v1::SmtpReply& reply) {
  if (reply.code() / 100 == 3 && phase_ != Phase::kData) {
    Fail(SmtpFailure::Kind::kProtocolError,
         absl::StrCat("the reply to ", PhaseName(phase_), " asks for more: ", ToString(reply)));
    return;
  }
  switch (phase_) {
    case Phase::kGreeting:
      if (!IsPositive(reply)) return Refused(SmtpFailure::Kind::kRejected, "the connection", reply);
      return Send(Phase::kEhlo, absl::StrCat("EHLO ", helo_name_));
    case Phase::kEhlo:
      return OnEhloReply(reply);
    case Phase::kHelo:
      if (!IsPositive(reply)) return Refused(SmtpFailure::Kind::kRejected, "HELO", reply);
      return StartMail();
    case Phase::kStartTls:
      return OnStartTlsReply(reply);
    case Phase::kMail:
      if (!IsPositive(reply)) return Refused(SmtpFailure::Kind::kRejected, "the sender", reply);
      return NextRecipient();
    case Phase::kRcpt:
      return OnRcptReply(reply);
    case Phase::kData:
      if (reply.code() / 100 == 3) return Enter(Phase::kMessage);
      if (IsPositive(reply)) {
        return Fail(SmtpFailure::Kind::kProtocolError,
                    absl::StrCat("the reply to DATA is not 354: ", ToString(reply)));
      }
      return Refused(SmtpFailure::Kind::kRejected, "DATA", reply);
    case Phase::kMessage:
      // The server has seen enough; it would read a QUIT as part of the message.
      if (IsPositive(reply)) {
        return Fail(SmtpFailure::Kind::kProtocolError, "a reply came within the message");
      }
      transcript_.failure =
          SmtpFailure{SmtpFailure::Kind::kRejected,
                      absl::StrCat("the mail server refused the message half-way: ", ToString(reply)), reply};
      return Enter(Phase::kClosed);
    case Phase::kFinalDot:
      return OnFinalReply(reply);
    case Phase::kHandshake:  // The owner hands all bytes to TLS.
    case Phase::kQuit:
    case Phase::kClosed:
      return Enter(Phase::kClosed);
  }
}

void SmtpSession::OnEhloReply(const v1::SmtpReply& reply) {
  if (IsPermanent(reply)) {
    // A server without extensions (RFC 5321 section 4.1.4), so without STARTTLS.
    if (tls_ == TlsMode::kStartTls) return Refused(SmtpFailure::Kind::kTlsFailed, "EHLO", reply);
    return Send(Phase::kHelo, absl::StrCat("HELO ", helo_name_));
  }
  if (!IsPositive(reply)) return Refused(SmtpFailure::Kind::kRejected, "EHLO", reply);
  if (tls_ != TlsMode::kStartTls || secured_) return StartMail();
  if (Offers(reply, "STARTTLS")) return Send(Phase::kStartTls, "STARTTLS");
  transcript_.failure =
      SmtpFailure{SmtpFailure::Kind::kTlsFailed, "the mail server does not offer STARTTLS", std::nullopt};
  Quit();
}

void SmtpSession::OnStartTlsReply(const v1::SmtpReply& reply) {
  if (!IsPositive(reply)) return Refused(SmtpFailure::Kind::kTlsFailed, "STARTTLS", reply);
  Enter(Phase::kHandshake);
}

void SmtpSession::OnTlsUp() {
  secured_ = true;
  // What was learned in clear text is forgotten (RFC 3207 section 4.2).
  if (tls_ == TlsMode::kImplicit) return Enter(Phase::kGreeting);
  Send(Phase::kEhlo, absl::StrCat("EHLO ", helo_name_));
}

void SmtpSession::StartMail() { Send(Phase::kMail, absl::StrCat("MAIL FROM:<", envelope_.sender, ">")); }

void SmtpSession::NextRecipient() {
  const size_t next = transcript_.recipient_replies.size();
  if (next < envelope_.recipients.size()) {
    return Send(Phase::kRcpt, absl::StrCat("RCPT TO:<", envelope_.recipients[next], ">"));
  }
  const auto& replies = transcript_.recipient_replies;
  if (std::any_of(replies.begin(), replies.end(), IsPositive)) return Send(Phase::kData, "DATA");
  Quit();
}

void SmtpSession::OnRcptReply(const v1::SmtpReply& reply) {
  if (reply.code() == kServiceClosing) return Refused(SmtpFailure::Kind::kRejected, "to go on", reply);
  transcript_.recipient_replies.push_back(reply);
  NextRecipient();
}

void SmtpSession::OnMessageSent() { Enter(Phase::kFinalDot); }

void SmtpSession::OnFinalReply(const v1::SmtpReply& reply) {
  transcript_.message_reply = reply;
  Quit();
}

void SmtpSession::Refused(SmtpFailure::Kind kind, absl::string_view what, const v1::SmtpReply& reply) {
  transcript_.failure =
      SmtpFailure{kind, absl::StrCat("the mail server refused ", what, ": ", ToString(reply)), reply};
  if (reply.code() == kServiceClosing) return Enter(Phase::kClosed);
  Quit();
}

void SmtpSession::Fail(SmtpFailure::Kind kind, absl::string_view text) {
  if (phase_ == Phase::kFinalDot) {
    transcript_.message_reply.emplace().set_text(std::string(text));
    transcript_.failure = SmtpFailure{
        SmtpFailure::Kind::kDeliveryUnknown,
        absl::StrCat("the message was handed over, but the mail server did not confirm it: ", text),
        std::nullopt};
  } else if (!settled()) {
    transcript_.failure = SmtpFailure{kind, std::string(text), std::nullopt};
  }
  output_.clear();
  Enter(Phase::kClosed);
}

}  // namespace errand::handlers
