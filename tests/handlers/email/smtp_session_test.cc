#include "server/handlers/email/smtp_session.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace errand::handlers {
namespace {

using Kind = SmtpFailure::Kind;
using Phase = SmtpSession::Phase;

SmtpSession NewSession(TlsMode tls = TlsMode::kNone) { return SmtpSession(tls, "me.example"); }

// Feeds a reply and returns what the session says to it.
std::string Say(SmtpSession& session, absl::string_view reply) {
  session.OnReceived(absl::StrCat(reply, "\r\n"));
  return session.TakeOutput();
}

// Begins a transaction and returns what the session says.
std::string Begin(SmtpSession& session, std::vector<std::string> recipients = {"r@x"}, uint64_t bytes = 0) {
  session.Begin({"s@x", std::move(recipients), bytes});
  return session.TakeOutput();
}

// One that is ready, with a server that offers `extensions`.
SmtpSession ReadySession(absl::string_view extensions = "250 HELP") {
  SmtpSession session = NewSession();
  Say(session, "220 hi");
  Say(session, absl::StrCat("250-x\r\n", extensions));
  EXPECT_EQ(session.phase(), Phase::kReady);
  return session;
}

// That of the session, or of the transaction.
Kind FailureOf(const SmtpSession& session) {
  if (session.failure().has_value()) return session.failure()->kind;
  EXPECT_TRUE(session.transcript().failure.has_value());
  return session.transcript().failure.value_or(SmtpFailure()).kind;
}

TEST(SmtpSessionTest, SaysWhatRfc5321Says) {
  SmtpSession session = NewSession();
  EXPECT_EQ(session.TakeOutput(), "");
  EXPECT_EQ(Say(session, "220 hi"), "EHLO me.example\r\n");
  EXPECT_EQ(Say(session, "250-x\r\n250 HELP"), "");
  EXPECT_EQ(session.phase(), Phase::kReady);
  EXPECT_EQ(Begin(session, {"a@x", "b@x"}), "MAIL FROM:<s@x>\r\n");
  EXPECT_EQ(Say(session, "250 ok"), "RCPT TO:<a@x>\r\n");
  EXPECT_EQ(Say(session, "251 forwarded"), "RCPT TO:<b@x>\r\n");
  EXPECT_EQ(Say(session, "550 no"), "DATA\r\n");
  EXPECT_EQ(Say(session, "354 go"), "");
  EXPECT_EQ(session.phase(), Phase::kMessage);
  session.OnMessageSent();
  EXPECT_TRUE(session.busy());
  EXPECT_EQ(Say(session, "250 queued"), "");
  EXPECT_FALSE(session.busy());
  EXPECT_FALSE(session.transcript().failure.has_value());
  ASSERT_EQ(session.transcript().recipient_replies.size(), 2u);
  EXPECT_EQ(session.transcript().recipient_replies[1].code(), 550);
  EXPECT_EQ(session.transcript().message_reply->code(), 250);
  EXPECT_EQ(session.phase(), Phase::kReady);
  session.Quit();
  EXPECT_EQ(session.TakeOutput(), "QUIT\r\n");
  EXPECT_EQ(Say(session, "221 bye"), "");
  EXPECT_EQ(session.phase(), Phase::kClosed);
  EXPECT_FALSE(session.failure().has_value());
}

TEST(SmtpSessionTest, EnvelopeGoesOutAtOnceWhereTheServerOffersPipelining) {
  SmtpSession session = ReadySession("250 PIPELINING");
  EXPECT_EQ(Begin(session, {"a@x", "b@x"}), "MAIL FROM:<s@x>\r\nRCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n");
  EXPECT_EQ(session.phase(), Phase::kMail);
  EXPECT_EQ(Say(session, "250 ok"), "");
  EXPECT_EQ(session.phase(), Phase::kRcpt);
  EXPECT_EQ(Say(session, "550 no\r\n250 ok"), "");
  EXPECT_EQ(session.phase(), Phase::kData);
  EXPECT_EQ(Say(session, "354 go"), "");
  EXPECT_EQ(session.phase(), Phase::kMessage);
  EXPECT_EQ(session.accepted(), 1);
  session.OnMessageSent();
  Say(session, "250 queued");
  EXPECT_EQ(session.transcript().recipient_replies[0].code(), 550);
  EXPECT_EQ(session.transcript().message_reply->code(), 250);
}

TEST(SmtpSessionTest, PipelinedDataWithNobodyAcceptedIsTakenBack) {
  SmtpSession session = ReadySession("250 PIPELINING");
  Begin(session);
  // The server may refuse DATA,
  EXPECT_EQ(Say(session, "250 ok\r\n550 no\r\n503 nobody"), "RSET\r\n");
  EXPECT_FALSE(session.busy());
  EXPECT_EQ(session.transcript().recipient_replies.size(), 1u);
  EXPECT_FALSE(session.transcript().failure.has_value());
  EXPECT_FALSE(session.transcript().message_reply.has_value());
  Say(session, "250 ok");
  EXPECT_EQ(session.phase(), Phase::kReady);
  // or take it, and then has to be given something.
  Begin(session);
  EXPECT_EQ(Say(session, "250 ok\r\n550 no\r\n354 go"), ".\r\n");
  EXPECT_TRUE(session.busy());
  EXPECT_EQ(Say(session, "554 nothing"), "");
  EXPECT_FALSE(session.busy());
  EXPECT_FALSE(session.transcript().message_reply.has_value());
  EXPECT_EQ(session.phase(), Phase::kReady);
}

TEST(SmtpSessionTest, SenderThatIsRefusedInAPipelineSettlesIt) {
  for (const char* data : {"503 no sender", "354 go"}) {
    SmtpSession session = ReadySession("250 PIPELINING");
    Begin(session, {"a@x", "b@x"});
    const std::string said = Say(session, absl::StrCat("550 5.7.1 not you\r\n503 a\r\n503 b\r\n", data));
    if (said == ".\r\n") Say(session, "503 nothing");
    EXPECT_FALSE(session.busy());
    EXPECT_EQ(FailureOf(session), Kind::kRejected);
    EXPECT_EQ(session.transcript().failure->reply->enhanced_code(), "5.7.1");
    EXPECT_TRUE(session.transcript().recipient_replies.empty()) << "503 says nothing of recipients";
  }
}

TEST(SmtpSessionTest, RefusedTransactionIsResetAndTheNextGoesOn) {
  for (const char* extensions : {"250 HELP", "250 PIPELINING"}) {
    SmtpSession session = ReadySession(extensions);
    Begin(session);
    std::string said = Say(session, "550 no");
    if (said.empty()) said = Say(session, "503 no\r\n503 no");
    EXPECT_EQ(said, "RSET\r\n") << extensions;
    EXPECT_FALSE(session.busy());
    EXPECT_EQ(session.phase(), Phase::kReset);
    Say(session, "250 ok");
    EXPECT_EQ(session.phase(), Phase::kReady);
    EXPECT_EQ(Begin(session).substr(0, 17), "MAIL FROM:<s@x>\r\n");
  }
}

TEST(SmtpSessionTest, SizeIsSaidAndKept) {
  SmtpSession session = ReadySession("250 SIZE 1000");
  EXPECT_EQ(Begin(session, {"r@x"}, 1000), "MAIL FROM:<s@x> SIZE=1000\r\n");
  SmtpSession small = ReadySession("250 size 999");
  EXPECT_EQ(Begin(small, {"r@x"}, 1000), "") << "it would be refused after all of it was sent";
  EXPECT_FALSE(small.busy());
  EXPECT_EQ(FailureOf(small), Kind::kRejected);
  EXPECT_TRUE(small.transcript().failure->permanent);
  EXPECT_EQ(small.phase(), Phase::kReady);
  for (const char* unlimited : {"250 SIZE", "250 SIZE 0", "250 SIZE many"}) {
    SmtpSession any = ReadySession(unlimited);
    EXPECT_EQ(Begin(any, {"r@x"}, 1u << 30), "MAIL FROM:<s@x> SIZE=1073741824\r\n") << unlimited;
  }
}

TEST(SmtpSessionTest, FallsBackToHelo) {
  SmtpSession session = NewSession();
  Say(session, "220 hi");
  EXPECT_EQ(Say(session, "502 what?"), "HELO me.example\r\n");
  Say(session, "250 hello");
  EXPECT_EQ(session.phase(), Phase::kReady);
}

TEST(SmtpSessionTest, WrongSettingsAreNoMailsFault) {
  const std::vector<std::vector<const char*>> cases = {
      {"554 no service here"},               // The greeting.
      {"220 hi", "504 need a domain"},       // EHLO.
      {"220 hi", "550 not you"},             //
      {"220 hi", "502 what", "504 a name"},  // HELO.
  };
  for (const auto& replies : cases) {
    SmtpSession session = NewSession();
    std::string said;
    for (const char* reply : replies) said = Say(session, reply);
    EXPECT_EQ(said, "QUIT\r\n");
    ASSERT_TRUE(session.failure().has_value()) << replies.back();
    EXPECT_EQ(session.failure()->blame, SmtpFailure::Blame::kSetting) << replies.back();
  }
  for (const char* extensions : {"250 HELP", "250 PIPELINING"}) {
    for (size_t good : {0u, 1u, 2u}) {  // 530 to MAIL, RCPT, DATA.
      SmtpSession session = ReadySession(extensions);
      Begin(session);
      for (size_t i = 0; i < good; ++i) Say(session, "250 ok");
      Say(session, "530 5.7.0 authentication required");
      while (session.busy()) Say(session, "503 no");
      ASSERT_TRUE(session.transcript().failure.has_value()) << extensions << good;
      EXPECT_EQ(session.transcript().failure->blame, SmtpFailure::Blame::kSetting) << extensions << good;
    }
  }
}

// What a session with a login says to the last of `replies`.
std::string LogIn(SmtpSession& session, const std::vector<const char*>& replies) {
  Say(session, "220 hi");
  std::string said;
  for (const char* reply : replies) said = Say(session, reply);
  return said;
}

TEST(SmtpSessionTest, LogsInBeforeTheFirstMail) {
  SmtpSession plain(TlsMode::kNone, "me.example", SmtpLogin{SaslMechanism::kPlain, "ada", "pw"});
  EXPECT_EQ(LogIn(plain, {"250-x\r\n250 AUTH LOGIN plain"}), "AUTH PLAIN AGFkYQBwdw==\r\n");
  EXPECT_EQ(plain.phase(), Phase::kAuth);
  EXPECT_EQ(Say(plain, "235 2.7.0 welcome"), "");
  EXPECT_EQ(plain.phase(), Phase::kReady);
  SmtpSession login(TlsMode::kNone, "me.example", SmtpLogin{SaslMechanism::kLogin, "ada", "pw"});
  EXPECT_EQ(LogIn(login, {"250-x\r\n250 AUTH=LOGIN"}), "AUTH LOGIN\r\n");
  EXPECT_EQ(Say(login, "334 VXNlcm5hbWU6"), "YWRh\r\n");
  EXPECT_EQ(Say(login, "334 UGFzc3dvcmQ6"), "cHc=\r\n");
  Say(login, "235 ok");
  EXPECT_EQ(login.phase(), Phase::kReady);
}

TEST(SmtpSessionTest, LoginThatFailsIsASetting) {
  const struct {
    std::vector<const char*> replies;
    SmtpFailure::Blame blame;
  } kCases[] = {
      {{"250 HELP"}, SmtpFailure::Blame::kSetting},                    // Nothing is offered,
      {{"250-x\r\n250 AUTH CRAM-MD5"}, SmtpFailure::Blame::kSetting},  // or something else.
      {{"250-x\r\n250 AUTH PLAIN", "535 5.7.8 wrong"}, SmtpFailure::Blame::kSetting},
      {{"250-x\r\n250 AUTH PLAIN", "534 5.7.9 another mechanism"}, SmtpFailure::Blame::kSetting},
      {{"250-x\r\n250 AUTH PLAIN", "334 bW9yZT8="}, SmtpFailure::Blame::kSetting},
      {{"250-x\r\n250 AUTH PLAIN", "334 not base64"}, SmtpFailure::Blame::kSetting},
      {{"250-x\r\n250 AUTH PLAIN", "454 4.7.0 later"}, SmtpFailure::Blame::kBusy},
  };
  for (const auto& test : kCases) {
    SmtpSession session(TlsMode::kNone, "me.example", SmtpLogin{SaslMechanism::kPlain, "ada", "pw"});
    LogIn(session, test.replies);
    ASSERT_TRUE(session.failure().has_value()) << test.replies.back();
    EXPECT_EQ(session.failure()->blame, test.blame) << test.replies.back();
    EXPECT_EQ(session.failure()->text.find("pw"), std::string::npos) << "no secret";
  }
}

TEST(SmtpSessionTest, ServerThatDoesNotProveThePasswordGetsNoMail) {
  SmtpSession session(TlsMode::kNone, "me.example", SmtpLogin{SaslMechanism::kScramSha256, "ada", "pw"});
  LogIn(session, {"250-x\r\n250 AUTH SCRAM-SHA-256", "235 come in"});
  EXPECT_EQ(session.phase(), Phase::kClosed);
  EXPECT_EQ(session.failure()->blame, SmtpFailure::Blame::kSetting);
}

TEST(SmtpSessionTest, BusyServerIsNoMailsFault) {
  for (const std::vector<const char*>& replies :
       std::vector<std::vector<const char*>>{{"421 too many"}, {"220 hi", "421 busy"}, {"450 later"}}) {
    SmtpSession session = NewSession();
    for (const char* reply : replies) Say(session, reply);
    ASSERT_TRUE(session.failure().has_value());
    EXPECT_EQ(session.failure()->blame, SmtpFailure::Blame::kBusy);
  }
}

TEST(SmtpSessionTest, StartTlsForgetsWhatWasSaidInClearText) {
  SmtpSession session = NewSession(TlsMode::kStartTls);
  Say(session, "220 hi");
  EXPECT_EQ(Say(session, "250-x\r\n250-PIPELINING\r\n250 starttls"), "STARTTLS\r\n");
  EXPECT_EQ(Say(session, "220 go"), "");
  EXPECT_EQ(session.phase(), Phase::kHandshake);
  session.OnTlsUp();
  EXPECT_EQ(session.TakeOutput(), "EHLO me.example\r\n");
  EXPECT_EQ(Say(session, "250 x"), "");
  EXPECT_EQ(session.phase(), Phase::kReady) << "not STARTTLS again";
  EXPECT_FALSE(session.extensions().pipelining);
}

TEST(SmtpSessionTest, ImplicitTlsComesBeforeTheGreeting) {
  SmtpSession session = NewSession(TlsMode::kImplicit);
  EXPECT_EQ(session.phase(), Phase::kHandshake);
  session.OnTlsUp();
  EXPECT_EQ(session.phase(), Phase::kGreeting);
  EXPECT_EQ(Say(session, "220 hi"), "EHLO me.example\r\n");
}

TEST(SmtpSessionTest, WithoutStartTlsNothingIsSent) {
  for (const char* ehlo : {"250 x", "250-x\r\n250 XSTARTTLS", "250-STARTTLS\r\n250 SIZE", "502 no EHLO"}) {
    SmtpSession session = NewSession(TlsMode::kStartTls);
    Say(session, "220 hi");
    EXPECT_EQ(Say(session, ehlo), "QUIT\r\n") << ehlo;
    EXPECT_EQ(FailureOf(session), Kind::kTlsFailed);
  }
}

TEST(SmtpSessionTest, ClearTextBehindTheStartTlsReplyIsRefused) {
  for (const char* injected : {"250 injected\r\n", "2", "\r\n"}) {
    SmtpSession session = NewSession(TlsMode::kStartTls);
    Say(session, "220 hi");
    Say(session, "250-x\r\n250 STARTTLS");
    session.OnReceived(absl::StrCat("220 go\r\n", injected));
    EXPECT_EQ(session.phase(), Phase::kClosed);
    EXPECT_EQ(FailureOf(session), Kind::kTlsFailed);
  }
}

TEST(SmtpSessionTest, ReplyThatComesBeforeItsCommandIsRefused) {
  SmtpSession session = NewSession();
  session.OnReceived("220 hi\r\n250 x\r\n");
  EXPECT_EQ(session.phase(), Phase::kClosed);
  EXPECT_EQ(FailureOf(session), Kind::kProtocolError);
  SmtpSession pipelined = ReadySession("250 PIPELINING");
  pipelined.Begin({"s@x", {"r@x"}});
  pipelined.OnReceived("250 ok\r\n");
  EXPECT_EQ(FailureOf(pipelined), Kind::kProtocolError);
}

TEST(SmtpSessionTest, ServerMaySayGoodbyeAtAnyTime) {
  SmtpSession session = NewSession();
  session.OnReceived("220 hi\r\n421 shutting down\r\n");
  EXPECT_EQ(session.phase(), Phase::kClosed);
  EXPECT_EQ(FailureOf(session), Kind::kRejected);
  EXPECT_EQ(session.failure()->reply->code(), 421);
  SmtpSession idle = ReadySession();
  Say(idle, "421 idle for too long");
  EXPECT_EQ(idle.phase(), Phase::kClosed);
  EXPECT_FALSE(idle.failure().has_value());
}

TEST(SmtpSessionTest, GoodbyeInPlaceOfTheLastReplyIsARefusal) {
  SmtpSession session = ReadySession();
  Begin(session);
  for (const char* reply : {"250 ok", "250 ok", "354 go"}) Say(session, reply);
  session.OnMessageSent();
  Say(session, "421 4.3.2 shutting down");
  EXPECT_EQ(session.phase(), Phase::kClosed);
  EXPECT_FALSE(session.transcript().failure.has_value());
  EXPECT_EQ(session.transcript().message_reply->code(), 421);
}

TEST(SmtpSessionTest, ClosingWithinRcptIsNoAnswerAboutTheRecipient) {
  for (const char* extensions : {"250 HELP", "250 PIPELINING"}) {
    SmtpSession session = ReadySession(extensions);
    Begin(session, {"a@x", "b@x"});
    for (const char* reply : {"250 ok", "250 ok", "421 bye"}) Say(session, reply);
    EXPECT_EQ(session.phase(), Phase::kClosed);
    EXPECT_EQ(session.transcript().recipient_replies.size(), 1u);
    EXPECT_EQ(FailureOf(session), Kind::kRejected);
    EXPECT_EQ(session.transcript().failure->blame, SmtpFailure::Blame::kMail);
  }
}

TEST(SmtpSessionTest, RepliesOfTheWrongKindAreProtocolErrors) {
  const std::vector<std::string> good = {"220 hi", "250 x", "250 ok", "250 ok"};
  for (size_t phase = 0; phase <= good.size(); ++phase) {
    SmtpSession session = NewSession();
    for (size_t i = 0; i < phase; ++i) {
      Say(session, good[i]);
      if (session.phase() == Phase::kReady) Begin(session);
    }
    Say(session, phase == 4 ? "250 fine" : "354 go");
    EXPECT_EQ(session.phase(), Phase::kClosed);
    EXPECT_EQ(FailureOf(session), Kind::kProtocolError) << phase;
  }
}

SmtpSession InMessage() {
  SmtpSession session = ReadySession();
  Begin(session);
  for (const char* reply : {"250 ok", "250 ok", "354 go"}) Say(session, reply);
  EXPECT_EQ(session.phase(), Phase::kMessage);
  return session;
}

TEST(SmtpSessionTest, ReplyWithinTheMessageDoesNotConfirmIt) {
  SmtpSession session = InMessage();
  Say(session, "250 queued");
  EXPECT_EQ(FailureOf(session), Kind::kProtocolError);
  EXPECT_FALSE(session.transcript().message_reply.has_value());
}

TEST(SmtpSessionTest, RefusalWithinTheMessageIsARefusal) {
  SmtpSession session = InMessage();
  EXPECT_EQ(Say(session, "552 too big"), "");  // A QUIT would be part of the message.
  EXPECT_EQ(session.phase(), Phase::kClosed);
  EXPECT_EQ(FailureOf(session), Kind::kRejected);
}

TEST(SmtpSessionTest, EveryFailureAfterTheFinalDotLeavesDeliveryUnknown) {
  for (Kind kind : {Kind::kProtocolError, Kind::kTimeout, Kind::kRunTimeout, Kind::kCancelled}) {
    SmtpSession session = InMessage();
    session.OnMessageSent();
    session.Fail({kind, "gone"});
    EXPECT_EQ(FailureOf(session), Kind::kDeliveryUnknown);
    EXPECT_EQ(session.transcript().message_reply->code(), 0);
  }
  for (const char* garbage : {"HTTP/1.1 200 OK", "354 more?"}) {
    SmtpSession session = InMessage();
    session.OnMessageSent();
    Say(session, garbage);
    EXPECT_EQ(FailureOf(session), Kind::kDeliveryUnknown) << garbage;
  }
}

TEST(SmtpSessionTest, FailureInQuitChangesNothing) {
  SmtpSession session = ReadySession();
  session.Quit();
  session.Fail({Kind::kTimeout, "no reply to QUIT"});
  EXPECT_EQ(session.phase(), Phase::kClosed);
  EXPECT_FALSE(session.failure().has_value());
}

TEST(SmtpSessionTest, ClosedSessionTakesNoMore) {
  SmtpSession session = NewSession();
  session.Fail({Kind::kCancelled, "stopped"});
  EXPECT_EQ(Say(session, "220 hi"), "");
  EXPECT_EQ(FailureOf(session), Kind::kCancelled);
}

}  // namespace
}  // namespace errand::handlers
