#ifndef ERRAND_SERVER_HANDLERS_EMAIL_SMTP_SESSION_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_SMTP_SESSION_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "errand/v1/task.pb.h"
#include "server/handlers/email/sasl.h"
#include "server/handlers/email/smtp_extensions.h"
#include "server/handlers/email/smtp_failure.h"
#include "server/handlers/email/smtp_reply.h"
#include "server/handlers/email/tls_mode.h"

namespace errand::handlers {

// Who sends to whom (RFC 5321 section 2.3.1). Addresses as ParseEmailAddress gives them.
struct SmtpEnvelope {
  std::string sender;
  std::vector<std::string> recipients;
  uint64_t message_bytes = 0;  // Of the message that follows.
};

// Who logs in, and how (RFC 4954).
struct SmtpLogin {
  SaslMechanism mechanism = SaslMechanism::kPlain;
  std::string user;
  std::string secret;
};

// What came of one transaction.
struct SmtpTranscript {
  std::vector<v1::SmtpReply> recipient_replies;  // To RCPT, in the order of the recipients; may be fewer.
  std::optional<v1::SmtpReply> message_reply;    // To the final dot.
  std::optional<SmtpFailure> failure;            // Unset where the replies above say everything.
};

// The client's side of one SMTP session (RFC 5321), without sockets and clock, that hands over one message
// after the other:
//
//   [handshake] -> greeting -> EHLO [-> HELO] [-> STARTTLS -> handshake -> EHLO] [-> AUTH ...] -> ready
//   ready -> MAIL -> RCPT ... -> DATA -> message -> final dot -> ready
//                 any refusal before the message -> RSET -> ready
//   ready -> QUIT -> closed
//
// After each input the owner sends TakeOutput() and does what phase() asks for: in kHandshake it starts
// TLS; in kMessage it sends the message and its final dot. Where the server offers PIPELINING (RFC 2920),
// MAIL, RCPT and DATA go out together; otherwise one command is under way at a time.
class SmtpSession {
 public:
  // Each is what the session waits for.
  enum class Phase {
    kHandshake,
    kGreeting,
    kEhlo,
    kHelo,
    kStartTls,
    kAuth,
    kReady,  // For Begin or Quit.
    kMail,
    kRcpt,
    kData,
    kMessage,
    kFinalDot,
    kReset,
    kQuit,
    kClosed,
  };

  // Logs in with `login` where there is one.
  SmtpSession(TlsMode tls, std::string helo_name, std::optional<SmtpLogin> login = std::nullopt);

  Phase phase() const { return phase_; }

  // Changes with every step, also where the phase stays: when the wait for the next reply begins anew.
  int step() const { return step_; }

  // What the server offers; complete in kReady.
  const SmtpExtensions& extensions() const { return extensions_; }

  // Why the session came to kQuit or kClosed outside of a transaction; unset where Quit was called.
  const std::optional<SmtpFailure>& failure() const { return failure_; }

  // Begins a transaction. In kReady; the envelope has a recipient.
  void Begin(SmtpEnvelope envelope);

  // A transaction was begun and is not settled.
  bool busy() const { return busy_; }

  // What came of the last transaction. Not when busy().
  const SmtpTranscript& transcript() const { return transcript_; }

  // Recipients that the server has accepted so far.
  int accepted() const { return accepted_; }

  // Bytes to send, in the order given. Empties it.
  std::string TakeOutput();

  // Bytes of the server, in pieces of any size.
  void OnReceived(absl::string_view bytes);

  // The handshake is done, the certificate is good.
  void OnTlsUp();

  // The final dot was handed to the network.
  void OnMessageSent() { Enter(Phase::kFinalDot); }

  // Says good-bye. In kReady.
  void Quit() { Send(Phase::kQuit, "QUIT"); }

  // The session cannot go on, and the owner closes the connection. After the final dot that leaves the
  // delivery unknown, whatever the cause; where nothing is under way it changes nothing.
  void Fail(SmtpFailure failure);

 private:
  void Enter(Phase phase);
  void Send(Phase phase, absl::string_view command);
  void OnReply(const v1::SmtpReply& reply);
  void OnEhloReply(const v1::SmtpReply& reply);
  // After the last EHLO or HELO.
  void LogIn();
  void OnAuthReply(const v1::SmtpReply& reply);
  void OnMailReply(const v1::SmtpReply& reply);
  void OnRcptReply(const v1::SmtpReply& reply);
  void OnDataReply(const v1::SmtpReply& reply);
  void OnFinalReply(const v1::SmtpReply& reply);
  void OnServiceClosing(const v1::SmtpReply& reply);
  void SendRecipient(size_t index);
  // Ends the transaction, if one is under way, and otherwise the session.
  void Settle(std::optional<SmtpFailure> failure);
  // Settles a transaction that has not come to its message.
  void Reset(std::optional<SmtpFailure> failure);
  // Says that a reply settles the transaction or the session.
  void Refuse(SmtpFailure::Blame blame, absl::string_view what, const v1::SmtpReply& reply);

  const TlsMode tls_;
  const std::string helo_name_;
  const std::optional<SmtpLogin> login_;
  std::unique_ptr<SaslExchange> exchange_;  // While it logs in.

  Phase phase_;
  int step_ = 0;
  bool secured_ = false;
  SmtpExtensions extensions_;
  SmtpReplyParser parser_;
  std::string output_;
  std::deque<Phase> awaited_;  // The replies to come, as commands were sent; the first one is that of phase_.
  size_t unsent_ = 0;          // The last of them, whose commands are in output_.
  std::optional<SmtpFailure> failure_;

  // The transaction.
  bool busy_ = false;
  SmtpEnvelope envelope_;
  SmtpTranscript transcript_;
  std::optional<v1::SmtpReply> sender_refusal_;
  int accepted_ = 0;
};

// "RCPT TO", "the greeting": for messages about what did not come.
absl::string_view PhaseName(SmtpSession::Phase phase);

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_SMTP_SESSION_H_
