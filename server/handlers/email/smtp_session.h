#ifndef ERRAND_SERVER_HANDLERS_EMAIL_SMTP_SESSION_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_SMTP_SESSION_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "errand/v1/task.pb.h"
#include "server/handlers/email/smtp_failure.h"
#include "server/handlers/email/smtp_reply.h"
#include "server/handlers/email/tls_mode.h"

namespace errand::handlers {

// Who sends to whom (RFC 5321 section 2.3.1). Addresses as ParseEmailAddress gives them.
struct SmtpEnvelope {
  std::string sender;
  std::vector<std::string> recipients;
};

// What a session has learned about its message.
struct SmtpTranscript {
  std::vector<v1::SmtpReply> recipient_replies;  // To RCPT, in the order of the recipients; may be fewer.
  std::optional<v1::SmtpReply> message_reply;    // To the final dot.
  std::optional<SmtpFailure> failure;            // Unset where the replies above say everything.
};

// The client's side of one SMTP session that hands over one message (RFC 5321), without sockets and clock:
//
//   [handshake] -> greeting -> EHLO [-> HELO] [-> STARTTLS -> handshake -> EHLO]
//     -> MAIL -> RCPT ... -> DATA -> message -> final dot -> QUIT -> closed
//
// After each input the owner sends TakeOutput() and does what phase() asks for: in kHandshake it starts
// TLS; in kMessage it sends the message and its final dot. One command is under way at a time.
class SmtpSession {
 public:
  // Each is what the session waits for.
  enum class Phase {
    kHandshake,
    kGreeting,
    kEhlo,
    kHelo,
    kStartTls,
    kMail,
    kRcpt,
    kData,
    kMessage,
    kFinalDot,
    kQuit,
    kClosed,
  };

  SmtpSession(SmtpEnvelope envelope, TlsMode tls, std::string helo_name);

  Phase phase() const { return phase_; }

  // Changes with every step, also where the phase stays: when the wait for the next reply begins anew.
  int step() const { return step_; }

  // transcript() is complete. What remains is to say good-bye.
  bool settled() const { return phase_ == Phase::kQuit || phase_ == Phase::kClosed; }

  const SmtpTranscript& transcript() const { return transcript_; }

  // Bytes to send, in the order given. Empties it.
  std::string TakeOutput() { return std::exchange(output_, std::string()); }

  // Bytes of the server, in pieces of any size.
  void OnReceived(absl::string_view bytes);

  // The handshake is done, the certificate is good.
  void OnTlsUp();

  // The last byte of the message and its final dot was handed to the network.
  void OnMessageSent();

  // The session cannot go on, and the owner closes the connection. After the final dot that leaves the
  // delivery unknown, whatever the cause; in QUIT it changes nothing.
  void Fail(SmtpFailure::Kind kind, absl::string_view text);

 private:
  void Enter(Phase phase);
  void Send(Phase phase, absl::string_view command);
  void Quit() { Send(Phase::kQuit, "QUIT"); }
  void OnReply(const v1::SmtpReply& reply);
  void OnEhloReply(const v1::SmtpReply& reply);
  void OnStartTlsReply(const v1::SmtpReply& reply);
  void OnRcptReply(const v1::SmtpReply& reply);
  void OnFinalReply(const v1::SmtpReply& reply);
  void StartMail();
  void NextRecipient();
  // Ends the session over a reply that no other reply can change.
  void Refused(SmtpFailure::Kind kind, absl::string_view to_what, const v1::SmtpReply& reply);

  const SmtpEnvelope envelope_;
  const TlsMode tls_;
  const std::string helo_name_;

  Phase phase_;
  int step_ = 0;
  bool secured_ = false;
  SmtpReplyParser parser_;
  std::string output_;
  SmtpTranscript transcript_;
};

// "RCPT TO", "the greeting": for messages about what did not come.
absl::string_view PhaseName(SmtpSession::Phase phase);

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_SMTP_SESSION_H_
