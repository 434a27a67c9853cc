#include "server/handlers/email/email_handler.h"

#include <gmime/gmime.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "tests/handlers/email/fixture.h"

namespace errand::handlers {
namespace {

using Email = EmailHandlerFixture;

// The body of a single-part message, decoded.
std::string BodyOf(const std::string& message) {
  GMimeStream* stream = g_mime_stream_mem_new_with_buffer(message.data(), message.size());
  GMimeParser* parser = g_mime_parser_new_with_stream(stream);
  GMimeMessage* parsed = g_mime_parser_construct_message(parser, nullptr);
  GMimeStream* out = g_mime_stream_mem_new();
  g_mime_data_wrapper_write_to_stream(
      g_mime_part_get_content(GMIME_PART(g_mime_message_get_mime_part(parsed))), out);
  GByteArray* bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(out));
  std::string body(reinterpret_cast<const char*>(bytes->data), bytes->len);
  g_object_unref(out);
  g_object_unref(parsed);
  g_object_unref(parser);
  g_object_unref(stream);
  return body;
}

std::string MessageIdOf(const FakeSmtpServer::Mail& mail) {
  for (absl::string_view line : absl::StrSplit(mail.data, "\r\n")) {
    if (absl::StartsWith(line, "Message-ID: ")) return std::string(line.substr(12));
  }
  return "";
}

TEST_F(Email, ArrivesAsItWasSent) {
  Serve({});
  const Outcome outcome = Deliver(NewAttempt({"Ada <ada@example.org>", "bob@example.org"}));
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  ASSERT_EQ(server_->mails().size(), 1u);
  const FakeSmtpServer::Mail mail = server_->mails()[0];
  EXPECT_EQ(mail.sender, "errand@example.org");
  EXPECT_EQ(mail.recipients, (std::vector<std::string>{"ada@example.org", "bob@example.org"}));
  EXPECT_EQ(BodyOf(mail.data), "Hello\r\n.\r\n..two\r\nbye\r\n");
  EXPECT_EQ(MessageIdOf(mail), "<uid-1@example.org>");
  EXPECT_EQ(outcome.result.email().message_id(), "<uid-1@example.org>");
  EXPECT_EQ(outcome.result.email().message_reply().code(), 250);
  EXPECT_EQ(outcome.result.email().message_reply().enhanced_code(), "2.0.0");
  EXPECT_EQ(outcome.result.email().recipients(0).address(), "ada@example.org");
  EXPECT_TRUE(outcome.result.email().recipients(1).accepted());
  EXPECT_EQ(outcome.usage.output_bytes(), static_cast<int64_t>(mail.data.size()));
  EXPECT_TRUE(outcome.usage.has_wall_time());
}

TEST_F(Email, LargeMessageArrivesWhole) {
  Serve({});
  Attempt attempt = NewAttempt();
  v1::Task task = *attempt.task;
  std::string text;
  for (int i = 0; i < 20000; ++i) absl::StrAppend(&text, ".line ", i, " Grüße\r\n");
  task.mutable_email()->set_text(text);
  std::string data(9 << 20, '\0');
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 31 >> 3);
  v1::Task with_attachment = task;
  attempt.task = std::make_shared<const v1::Task>(task);
  ASSERT_EQ(ReasonOf(Deliver(attempt)), "OK");
  EXPECT_EQ(BodyOf(server_->mails()[0].data), text);
  auto* attachment = with_attachment.mutable_email()->add_attachments();
  attachment->set_filename("large.bin");
  attachment->set_data(data);
  attempt.id = 100;
  attempt.task = std::make_shared<const v1::Task>(with_attachment);
  const Outcome outcome = Deliver(attempt);
  EXPECT_EQ(ReasonOf(outcome), "OK");
  EXPECT_EQ(server_->mails()[1].data.size(), static_cast<size_t>(outcome.usage.output_bytes()));
}

TEST_F(Email, ReachesAServerByNameAndByIPv6) {
  Serve({});
  Handle(Options("localhost"));
  EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
  Serve({.script = {}, .certificate = nullptr, .implicit_tls = false, .ipv6 = true});
  Handle(Options("[::1]"));
  EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
}

TEST_F(Email, EachRecipientKeepsItsOwnReply) {
  Serve({});
  const Outcome outcome =
      Deliver(NewAttempt({"good@x", "code550.a@x", "code450.b@x", "code452.c@x", "fine@x", "code551.d@x"}));
  EXPECT_EQ(ReasonOf(outcome), "SMTP_REJECTED");
  EXPECT_FALSE(outcome.permanent);
  const auto& recipients = outcome.result.email().recipients();
  const int codes[] = {250, 550, 450, 452, 250, 551};
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(recipients[i].reply().code(), codes[i]);
    EXPECT_EQ(recipients[i].accepted(), codes[i] == 250);
    EXPECT_EQ(recipients[i].server(), absl::StrCat("127.0.0.1:", server_->port()));
  }
  EXPECT_EQ(recipients[1].reply().enhanced_code(), "5.1.1");
  ASSERT_EQ(server_->mails().size(), 1u);
  EXPECT_EQ(server_->mails()[0].recipients, (std::vector<std::string>{"good@x", "fine@x"}));
}

TEST_F(Email, WatcherSeesHowFarTheMailIs) {
  Serve({});
  const auto pending = Start(NewAttempt({"good@x", "code550@x", "fine@x"}));
  Await(pending);
  absl::MutexLock lock(&pending->mu);
  EXPECT_EQ(pending->said,
            (std::vector<std::string>{absl::StrCat("connected to 127.0.0.1:", server_->port(), ", no TLS"),
                                      "2 of 3 recipients accepted", "<code550@x> refused: 550 5.1.1 told so",
                                      "message handed over", "250 2.0.0 queued"}));
}

TEST_F(Email, RefusalsThatAreToldAreBounded) {
  Serve({});
  std::vector<std::string> to;
  for (int i = 0; i < 300; ++i) to.push_back(absl::StrCat("code550.", i, "@x"));
  const auto pending = Start(NewAttempt(to));
  Await(pending);
  absl::MutexLock lock(&pending->mu);
  EXPECT_EQ(pending->said.size(), 102u);
}

TEST_F(Email, RetrySkipsRecipientsThatHaveAccepted) {
  Serve({});
  Attempt attempt = NewAttempt({"good@x", "code450@x"});
  const Outcome first = Deliver(attempt);
  attempt.number = 2;
  attempt.previous_result = first.result;
  const Outcome second = Deliver(attempt);
  EXPECT_EQ(ReasonOf(second), "SMTP_REJECTED");
  EXPECT_TRUE(second.result.email().recipients(0).accepted());
  int addressed = 0;
  for (const std::string& command : server_->commands()) addressed += command == "RCPT TO:<good@x>" ? 1 : 0;
  EXPECT_EQ(addressed, 1);
  EXPECT_EQ(server_->mails().size(), 1u);
}

TEST_F(Email, NothingLeftToDoNeedsNoServer) {
  Handle(Options());  // Nobody listens there.
  Attempt attempt = NewAttempt({"a@x"});
  auto* recipient = attempt.previous_result.mutable_email()->add_recipients();
  recipient->set_address("a@x");
  recipient->set_accepted(true);
  EXPECT_EQ(ReasonOf(Deliver(attempt)), "OK");
}

TEST_F(Email, RefusalsAreFinalOrNotByTheirCode) {
  const struct {
    const char* point;
    const char* reply;
    bool permanent;
  } kCases[] = {
      {"MAIL", "550-5.7.1 not\r\n550 5.7.1 you\r\n", true},
      {"MAIL", "452 4.3.1 full\r\n", false},
      {"RCPT", "550 5.1.1 unknown\r\n", true},
      {"RCPT", "450 4.2.0 greylisted\r\n", false},
      {"DATA", "554 no\r\n", true},
      {"DATA", "451 later\r\n", false},
      {"DOT", "554 5.6.0 spam\r\n", true},
      {"DOT", "571 5.7.1 spam\r\n", true},
      {"RCPT", "571 no\r\n", true},
      {"RCPT", "471 later\r\n", false},
      {"DOT", "451 4.3.0 later\r\n", false},
  };
  for (const auto& test : kCases) {
    Serve({.script = {{test.point, test.reply}}});
    const Outcome outcome = Deliver(NewAttempt());
    EXPECT_EQ(ReasonOf(outcome), "SMTP_REJECTED") << test.point << outcome.status;
    EXPECT_EQ(outcome.permanent, test.permanent) << test.point << " " << test.reply;
    EXPECT_TRUE(server_->mails().empty());
  }
}

TEST_F(Email, ConnectionLostInAnyPhaseIsTransientUntilTheFinalDot) {
  for (const char* point : {"CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "MESSAGE"}) {
    Serve({.script = {{point, FakeSmtpServer::kDrop}}});
    const Outcome outcome = Deliver(NewAttempt());
    // A message this small may be in the kernel's hands before the drop is seen.
    if (absl::string_view(point) == "MESSAGE") {
      EXPECT_TRUE(ReasonOf(outcome) == "SMTP_PROTOCOL_ERROR" || ReasonOf(outcome) == "DELIVERY_UNKNOWN");
      continue;
    }
    EXPECT_EQ(ReasonOf(outcome), "SMTP_PROTOCOL_ERROR") << point << outcome.status;
    EXPECT_FALSE(outcome.permanent) << point;
  }
}

TEST_F(Email, ConnectionLostAfterTheFinalDotLeavesDeliveryUnknown) {
  Serve({.script = {{"DOT", FakeSmtpServer::kDrop}}});
  const Outcome outcome = Deliver(NewAttempt());
  EXPECT_EQ(ReasonOf(outcome), "DELIVERY_UNKNOWN");
  EXPECT_TRUE(outcome.permanent);
  EXPECT_EQ(outcome.result.email().recipients(0).state(), v1::RECIPIENT_STATE_UNKNOWN);
  EXPECT_FALSE(outcome.result.email().recipients(0).accepted());
  EXPECT_TRUE(outcome.result.email().has_message_reply());
}

TEST_F(Email, LostConnectionAfterTheReplyDoesNotMatter) {
  server_ =
      std::make_unique<FakeSmtpServer>(FakeSmtpServer::Options{.script = {{"QUIT", FakeSmtpServer::kDrop}}});
  SmtpProfile options = Options();
  options.mails_a_connection = 1;
  Handle(options);
  EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
  EXPECT_TRUE(server_->WaitFor("QUIT"));
  EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
}

TEST_F(Email, GarbageInAnyPhaseIsAProtocolError) {
  for (const char* point : {"CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT"}) {
    for (const std::string& garbage :
         {std::string("HTTP/1.1 400 Bad Request\r\n"), std::string(100000, 'x'),
          absl::StrCat(std::string(3000, '\0'), "\r\n"), std::string("250:not a reply\r\n")}) {
      Serve({.script = {{point, garbage}}});
      const Outcome outcome = Deliver(NewAttempt());
      EXPECT_EQ(ReasonOf(outcome),
                absl::string_view(point) == "DOT" ? "DELIVERY_UNKNOWN" : "SMTP_PROTOCOL_ERROR")
          << point;
    }
  }
}

TEST_F(Email, OldServerIsGreetedWithHelo) {
  Serve({.script = {{"EHLO", "502 5.5.1 what?\r\n"}}});
  EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
  EXPECT_EQ(server_->commands()[1], "HELO errand.example");
}

TEST_F(Email, NobodyListensIsUnreachable) {
  int port;
  {
    FakeSmtpServer gone({});
    port = gone.port();
  }
  SmtpProfile options = Options();
  options.server = absl::StrCat("127.0.0.1:", port);
  options.unreachable_after = absl::ZeroDuration();
  Handle(options);
  const Outcome outcome = Deliver(NewAttempt());
  EXPECT_EQ(ReasonOf(outcome), "SMTP_UNREACHABLE");
  EXPECT_FALSE(outcome.permanent);
  EXPECT_TRUE(absl::StrContains(outcome.status.message(), options.server)) << outcome.status;
}

TEST_F(Email, UnresolvableHostIsUnreachable) {
  SmtpProfile options = Options();
  options.server = "no-such-host.invalid:25";
  options.timeouts.resolve = absl::Seconds(2);  // Where no DNS answers.
  Handle(options);
  const Outcome outcome = Deliver(NewAttempt());
  EXPECT_EQ(ReasonOf(outcome), "SMTP_UNREACHABLE");
  EXPECT_TRUE(absl::StrContains(outcome.status.message(), "no-such-host.invalid")) << outcome.status;
  EXPECT_FALSE(outcome.permanent);
}

TEST_F(Email, StopBeforeTheFinalDotCancels) {
  for (const char* point : {"CONNECT", "EHLO", "MAIL", "RCPT", "DATA"}) {
    Serve({.script = {{point, FakeSmtpServer::kSilence}}});
    const auto pending = Start(NewAttempt());
    ASSERT_TRUE(server_->WaitFor(point));
    handler_->Stop(last_id_);
    const Outcome outcome = Await(pending);
    EXPECT_EQ(ReasonOf(outcome), "CANCELLED") << point;
    EXPECT_TRUE(server_->mails().empty());
    EXPECT_EQ(outcome.result.email().recipients_size(), 1);
  }
}

TEST_F(Email, StopWithinALargeMessageDoesNotDeliverIt) {
  Serve({.script = {{"MESSAGE", FakeSmtpServer::kDeaf}}});
  Attempt attempt = NewAttempt();
  v1::Task task = *attempt.task;
  auto* attachment = task.mutable_email()->add_attachments();
  attachment->set_filename("large");
  attachment->set_data(std::string(10 << 20, 'x'));
  attempt.task = std::make_shared<const v1::Task>(task);
  const auto pending = Start(attempt);
  ASSERT_TRUE(server_->WaitFor("MESSAGE"));
  handler_->Stop(last_id_);
  EXPECT_EQ(ReasonOf(Await(pending)), "CANCELLED");
}

TEST_F(Email, StopAfterTheFinalDotWaitsForTheReply) {
  Serve({.script = {{"DOT", FakeSmtpServer::kHold}}});
  const auto pending = Start(NewAttempt());
  ASSERT_TRUE(server_->WaitFor("DOT"));
  handler_->Stop(last_id_);
  handler_->Stop(last_id_);
  EXPECT_FALSE(pending->done.HasBeenNotified());
  server_->Release();
  EXPECT_EQ(ReasonOf(Await(pending)), "OK");
  handler_->Stop(last_id_);  // Over already.
  handler_->Stop(12345);     // Never was.
}

TEST_F(Email, AbandonedAfterTheFinalDotDoesNotWaitForTheReply) {
  Serve({.script = {{"DOT", FakeSmtpServer::kSilence}}});
  const auto pending = Start(NewAttempt());
  ASSERT_TRUE(server_->WaitFor("DOT"));
  handler_->Stop(last_id_);
  handler_->Abandon(last_id_);
  EXPECT_EQ(ReasonOf(Await(pending)), "DELIVERY_UNKNOWN");
}

TEST_F(Email, OutcomeDoesNotWaitForQuit) {
  server_ = std::make_unique<FakeSmtpServer>(
      FakeSmtpServer::Options{.script = {{"QUIT", FakeSmtpServer::kSilence}}});
  SmtpProfile options = Options();
  options.mails_a_connection = 1;
  Handle(options);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
}

TEST_F(Email, ConnectionThatOnlyWaitsForQuitMakesWayForANewMail) {
  server_ = std::make_unique<FakeSmtpServer>(
      FakeSmtpServer::Options{.script = {{"QUIT", FakeSmtpServer::kSilence}}});
  SmtpProfile options = Options();
  options.connections = 1;
  options.mails_a_connection = 1;
  options.timeouts.quit = absl::InfiniteDuration();
  Handle(options);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
}

TEST_F(Email, DestructorStopsWhatRuns) {
  for (const char* point : {"CONNECT", "MAIL", "DATA"}) {
    Serve({.script = {{point, FakeSmtpServer::kSilence}}});
    std::vector<std::shared_ptr<Pending>> pending;
    for (int i = 0; i < 10; ++i) pending.push_back(Start(NewAttempt()));
    ASSERT_TRUE(server_->WaitFor(point));
    handler_.reset();
    for (const auto& one : pending) {
      ASSERT_TRUE(one->done.HasBeenNotified());
      EXPECT_EQ(ReasonOf(one->outcome), "CANCELLED");
    }
  }
}

TEST_F(Email, DestructorRightAfterStartLosesNoAttempt) {
  Serve({});
  std::vector<std::shared_ptr<Pending>> pending;
  for (int i = 0; i < 50; ++i) pending.push_back(Start(NewAttempt()));
  handler_.reset();
  for (const auto& one : pending) EXPECT_TRUE(one->done.HasBeenNotified());
}

TEST_F(Email, DestructorWaitsForRepliesToWhatWasHandedOver) {
  Serve({.script = {{"DOT", FakeSmtpServer::kHold}}});
  const auto pending = Start(NewAttempt());
  ASSERT_TRUE(server_->WaitFor("DOT"));
  std::thread destroyer([this] { handler_.reset(); });
  server_->Release();
  destroyer.join();
  EXPECT_EQ(ReasonOf(Await(pending)), "OK");
}

TEST_F(Email, DestructorGivesUpOnRepliesThatDoNotCome) {
  server_ = std::make_unique<FakeSmtpServer>(
      FakeSmtpServer::Options{.script = {{"DOT", FakeSmtpServer::kSilence}}});
  Handle(Options(), absl::Milliseconds(20));
  const auto pending = Start(NewAttempt());
  ASSERT_TRUE(server_->WaitFor("DOT"));
  handler_.reset();
  EXPECT_EQ(ReasonOf(Await(pending)), "DELIVERY_UNKNOWN");
}

// Keeps every slot busy, as an executor does: each end starts the next.
class Feeder {
 public:
  Feeder(EmailHandler* handler, std::vector<Attempt> attempts)
      : handler_(handler), attempts_(std::move(attempts)), left_(attempts_.size()) {}

  void Run() {
    for (int i = 0; i < handler_->GetRoom().tasks; ++i) StartNext();
    absl::MutexLock lock(&mu_);
    const auto all = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return left_ == 0; };
    EXPECT_TRUE(mu_.AwaitWithTimeout(absl::Condition(&all), absl::Minutes(1)));
  }
  int failed() const { return failed_; }

 private:
  class Observer : public AttemptObserver {
   public:
    explicit Observer(Feeder* feeder) : feeder_(feeder) {}
    void OnEvent(v1::TaskEvent /*event*/) override {}
    void Keep(v1::TaskResult /*result*/, absl::AnyInvocable<void(absl::Status)> kept) override {
      kept(absl::OkStatus());
    }
    void OnDone(Outcome outcome) override {
      if (!outcome.status.ok()) ++feeder_->failed_;
      EXPECT_TRUE(outcome.status.ok()) << outcome.status;
      feeder_->StartNext();
      absl::MutexLock lock(&feeder_->mu_);
      --feeder_->left_;
    }

   private:
    Feeder* const feeder_;
  };

  void StartNext() {
    const size_t next = next_++;
    if (next < attempts_.size()) handler_->Start(attempts_[next], std::make_unique<Observer>(this));
  }

  EmailHandler* const handler_;
  const std::vector<Attempt> attempts_;
  std::atomic<size_t> next_{0};
  std::atomic<int> failed_{0};
  absl::Mutex mu_;
  size_t left_ ABSL_GUARDED_BY(mu_);
};

TEST_F(Email, TwoHundredMailsGoThroughFiftySlots) {
  Serve({});
  ASSERT_EQ(handler_->GetRoom().tasks, 50);
  std::vector<Attempt> attempts;
  for (int i = 0; i < 200; ++i) attempts.push_back(NewAttempt());
  Feeder feeder(handler_.get(), std::move(attempts));
  feeder.Run();
  EXPECT_EQ(feeder.failed(), 0);
  std::set<std::string> ids;
  for (const FakeSmtpServer::Mail& mail : server_->mails()) ids.insert(MessageIdOf(mail));
  EXPECT_EQ(server_->mails().size(), 200u);
  EXPECT_EQ(ids.size(), 200u);
}

TEST(SmtpProfileTest, WhatIsWrongIsNamed) {
  const auto problem = [](void (*spoil)(SmtpProfile&)) {
    SmtpProfile profile;
    profile.server = "localhost:25";
    profile.helo_name = "errand.example";
    spoil(profile);
    const auto settings = PoolSettings(profile);
    EXPECT_EQ(settings.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(settings.status().message());
  };
  EXPECT_EQ(problem([](SmtpProfile& p) { p.server = "mail"; }),
            "mail server 'mail' must be host:port or [v6]:port: the port is missing");
  EXPECT_EQ(problem([](SmtpProfile& p) { p.helo_name = "a b\r\nQUIT"; }).substr(0, 9), "HELO name");
  EXPECT_EQ(problem([](SmtpProfile& p) { p.connections = 0; }), "mail connections must be at least 1, not 0");
  EXPECT_EQ(problem([](SmtpProfile& p) { p.mails_a_connection = 0; }),
            "mails a connection must be at least 1, not 0");
  EXPECT_TRUE(absl::StrContains(problem([](SmtpProfile& p) { p.ca_file = "/no/such/file.pem"; }),
                                "'/no/such/file.pem'"));
  EXPECT_TRUE(absl::StrContains(problem([](SmtpProfile& p) { p.name = "Big Name"; }), "name"));
  EXPECT_TRUE(absl::StrContains(problem([](SmtpProfile& p) { p.message_id_domain = "a b"; }), "Message-ID"));
  EXPECT_TRUE(absl::StrContains(problem([](SmtpProfile& p) { p.user = "ada"; }), "mechanism"));
  EXPECT_TRUE(absl::StrContains(problem([](SmtpProfile& p) { p.login = SaslMechanism::kPlain; }), "user"));
  EXPECT_TRUE(absl::StrContains(problem([](SmtpProfile& p) {
                                  p.login = SaslMechanism::kPlain;
                                  p.user = "ada";
                                  p.secret_file = "/no/such/secret";
                                }),
                                "'/no/such/secret'"));
  EXPECT_TRUE(absl::StrContains(problem([](SmtpProfile& p) {
                                  p.login = SaslMechanism::kPlain;
                                  p.user = "ada";
                                  p.tls = TlsMode::kNone;
                                }),
                                "allow_plain_text_login"));
  SmtpProfile profile;
  profile.server = "[::1]:25";
  EXPECT_TRUE(PoolSettings(profile).ok());  // The system's authorities and host name.
  io::Loop loop;
  EmailHandlerOptions options;
  EXPECT_FALSE(EmailHandler::Create(options, &loop).ok());
  options.profiles = {profile, profile};
  EXPECT_TRUE(
      absl::StrContains(EmailHandler::Create(options, &loop).status().message(), "two mail profiles"));
}

}  // namespace
}  // namespace errand::handlers
