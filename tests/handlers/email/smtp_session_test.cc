#include "server/handlers/email/smtp_session.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace errand::handlers {
namespace {

using Kind = SmtpFailure::Kind;
using Phase = SmtpSession::Phase;

SmtpSession NewSession(TlsMode tls = TlsMode::kNone, std::vector<std::string> recipients = {"r@x"}) {
  return SmtpSession({"s@x", std::move(recipients)}, tls, "me.example");
}

// Feeds a reply and returns what the session says to it.
std::string Say(SmtpSession& session, absl::string_view reply) {
  session.OnReceived(absl::StrCat(reply, "\r\n"));
  return session.TakeOutput();
}

Kind FailureOf(const SmtpSession& session) {
  EXPECT_TRUE(session.transcript().failure.has_value());
  return session.transcript().failure.value_or(SmtpFailure()).kind;
}

TEST(SmtpSessionTest, SaysWhatRfc5321Says) {
  SmtpSession session = NewSession(TlsMode::kNone, {"a@x", "b@x"});
  EXPECT_EQ(session.TakeOutput(), "");
  EXPECT_EQ(Say(session, "220 hi"), "EHLO me.example\r\n");
  EXPECT_EQ(Say(session, "250-x\r\n250 SIZE 100"), "MAIL FROM:<s@x>\r\n");
  EXPECT_EQ(Say(session, "250 ok"), "RCPT TO:<a@x>\r\n");
  EXPECT_EQ(Say(session, "251 forwarded"), "RCPT TO:<b@x>\r\n");
  EXPECT_EQ(Say(session, "550 no"), "DATA\r\n");
  EXPECT_EQ(Say(session, "354 go"), "");
  EXPECT_EQ(session.phase(), Phase::kMessage);
  session.OnMessageSent();
  EXPECT_FALSE(session.settled());
  EXPECT_EQ(Say(session, "250 queued"), "QUIT\r\n");
  EXPECT_TRUE(session.settled());
  EXPECT_FALSE(session.transcript().failure.has_value());
  ASSERT_EQ(session.transcript().recipient_replies.size(), 2u);
  EXPECT_EQ(session.transcript().recipient_replies[1].code(), 550);
  EXPECT_EQ(session.transcript().message_reply->code(), 250);
  EXPECT_EQ(Say(session, "221 bye"), "");
  EXPECT_EQ(session.phase(), Phase::kClosed);
}

TEST(SmtpSessionTest, FallsBackToHelo) {
  SmtpSession session = NewSession();
  Say(session, "220 hi");
  EXPECT_EQ(Say(session, "502 what?"), "HELO me.example\r\n");
  EXPECT_EQ(Say(session, "250 hello"), "MAIL FROM:<s@x>\r\n");
}

TEST(SmtpSessionTest, NoRecipientLeftMeansNoData) {
  SmtpSession session = NewSession();
  Say(session, "220 hi");
  Say(session, "250 hi");
  Say(session, "250 ok");
  EXPECT_EQ(Say(session, "450 later"), "QUIT\r\n");
  EXPECT_TRUE(session.settled());
  EXPECT_FALSE(session.transcript().failure.has_value());
}

TEST(SmtpSessionTest, StartTlsForgetsWhatWasSaidInClearText) {
  SmtpSession session = NewSession(TlsMode::kStartTls);
  Say(session, "220 hi");
  EXPECT_EQ(Say(session, "250-x\r\n250 starttls"), "STARTTLS\r\n");
  EXPECT_EQ(Say(session, "220 go"), "");
  EXPECT_EQ(session.phase(), Phase::kHandshake);
  session.OnTlsUp();
  EXPECT_EQ(session.TakeOutput(), "EHLO me.example\r\n");
  EXPECT_EQ(Say(session, "250 x"), "MAIL FROM:<s@x>\r\n");  // Not STARTTLS again.
}

TEST(SmtpSessionTest, ImplicitTlsComesBeforeTheGreeting) {
  SmtpSession session = NewSession(TlsMode::kImplicit);
  EXPECT_EQ(session.phase(), Phase::kHandshake);
  session.OnTlsUp();
  EXPECT_EQ(session.phase(), Phase::kGreeting);
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
  session.OnReceived("220 hi\r\n250 x\r\n250 ok\r\n");
  EXPECT_EQ(session.phase(), Phase::kClosed);
  EXPECT_EQ(FailureOf(session), Kind::kProtocolError);
}

TEST(SmtpSessionTest, ServerMaySayGoodbyeAtAnyTime) {
  SmtpSession session = NewSession();
  session.OnReceived("220 hi\r\n421 shutting down\r\n");
  EXPECT_EQ(session.phase(), Phase::kClosed);
  EXPECT_EQ(FailureOf(session), Kind::kRejected);
  EXPECT_EQ(session.transcript().failure->reply->code(), 421);
}

TEST(SmtpSessionTest, ClosingWithinRcptIsNoAnswerAboutTheRecipient) {
  SmtpSession session = NewSession(TlsMode::kNone, {"a@x", "b@x"});
  for (const char* reply : {"220 hi", "250 x", "250 ok", "250 ok", "421 bye"}) Say(session, reply);
  EXPECT_EQ(session.phase(), Phase::kClosed);
  EXPECT_EQ(session.transcript().recipient_replies.size(), 1u);
  EXPECT_EQ(FailureOf(session), Kind::kRejected);
}

TEST(SmtpSessionTest, RefusalInEachPhaseEndsWithQuit) {
  const std::vector<std::string> good = {"220 hi", "250 x", "250 ok", "250 ok", "354 go"};
  for (size_t phase : {0u, 2u, 4u}) {  // The greeting, MAIL, DATA.
    SmtpSession session = NewSession();
    for (size_t i = 0; i < phase; ++i) Say(session, good[i]);
    EXPECT_EQ(Say(session, "554 5.7.1 go away"), "QUIT\r\n");
    EXPECT_EQ(FailureOf(session), Kind::kRejected);
    EXPECT_EQ(session.transcript().failure->reply->enhanced_code(), "5.7.1");
  }
}

TEST(SmtpSessionTest, RepliesOfTheWrongKindAreProtocolErrors) {
  const std::vector<std::string> good = {"220 hi", "250 x", "250 ok", "250 ok"};
  for (size_t phase = 0; phase <= good.size(); ++phase) {
    SmtpSession session = NewSession();
    for (size_t i = 0; i < phase; ++i) Say(session, good[i]);
    Say(session, phase == 4 ? "250 fine" : "354 go");
    EXPECT_EQ(session.phase(), Phase::kClosed);
    EXPECT_EQ(FailureOf(session), Kind::kProtocolError) << phase;
  }
}

SmtpSession InMessage() {
  SmtpSession session = NewSession();
  for (const char* reply : {"220 hi", "250 x", "250 ok", "250 ok", "354 go"}) Say(session, reply);
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
    session.Fail(kind, "gone");
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
  SmtpSession session = InMessage();
  session.OnMessageSent();
  Say(session, "250 queued");
  session.Fail(Kind::kTimeout, "no reply to QUIT");
  EXPECT_EQ(session.phase(), Phase::kClosed);
  EXPECT_FALSE(session.transcript().failure.has_value());
}

TEST(SmtpSessionTest, ClosedSessionTakesNoMore) {
  SmtpSession session = NewSession();
  session.Fail(Kind::kCancelled, "stopped");
  EXPECT_EQ(Say(session, "220 hi"), "");
  EXPECT_EQ(FailureOf(session), Kind::kCancelled);
}

}  // namespace
}  // namespace errand::handlers
