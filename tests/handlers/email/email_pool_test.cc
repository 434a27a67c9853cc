#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/handlers/email/fixture.h"

namespace errand::handlers {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::StartsWith;

// A file with a password.
class SecretFile {
 public:
  explicit SecretFile(const std::string& secret) {
    close(mkstemp(path_.data()));
    Write(secret);
  }
  ~SecretFile() { unlink(path_.c_str()); }
  SecretFile(const SecretFile&) = delete;
  SecretFile& operator=(const SecretFile&) = delete;

  void Write(const std::string& secret) const { std::ofstream(path_) << secret; }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/errand_secret_XXXXXX";
};

Attempt WithProfile(Attempt attempt, const std::string& profile) {
  v1::Task task = *attempt.task;
  task.mutable_email()->set_profile(profile);
  attempt.task = std::make_shared<const v1::Task>(task);
  return attempt;
}

// What becomes of mails that share the connections to a server.
class EmailPool : public EmailHandlerFixture {
 protected:
  // Waits for all of them to end well.
  void ExpectAllSucceed(const std::vector<std::shared_ptr<Pending>>& pending) {
    for (const auto& one : pending) {
      const Outcome outcome = Await(one);
      EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    }
  }
  // Until the pool knows that the server takes no mail.
  void AwaitTrouble() {
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    while (handler_->GetRoom().held_by != v1::HELD_BY_MAIL_SERVER) {
      ASSERT_LT(absl::Now(), deadline) << "the mails do not wait for the server";
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
  std::vector<std::shared_ptr<Pending>> StartMany(int count) {
    std::vector<std::shared_ptr<Pending>> pending;
    for (int i = 0; i < count; ++i) pending.push_back(Start(NewAttempt()));
    return pending;
  }
  SmtpProfile OptionsWith(int connections) {
    SmtpProfile options = Options();
    options.connections = connections;
    options.first_wait = absl::Milliseconds(5);
    return options;
  }
};

TEST_F(EmailPool, ConnectionIsKeptForTheNextMail) {
  Serve({});
  for (int i = 0; i < 20; ++i) ASSERT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
  EXPECT_EQ(server_->CountOf("CONNECT"), 1);
  EXPECT_EQ(server_->CountOf("RSET"), 0);
  EXPECT_EQ(server_->mails().size(), 20u);
}

TEST_F(EmailPool, ConnectionIsClosedAfterItsMails) {
  Serve({});
  SmtpProfile options = OptionsWith(1);
  options.mails_a_connection = 5;
  Handle(options);
  for (int i = 0; i < 20; ++i) ASSERT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
  EXPECT_EQ(server_->CountOf("CONNECT"), 4);
}

TEST_F(EmailPool, ConnectionWithNothingToDoSaysGoodbye) {
  Serve({});
  SmtpProfile options = OptionsWith(1);
  options.timeouts.idle = absl::Milliseconds(20);
  Handle(options);
  EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
  EXPECT_TRUE(server_->WaitFor("QUIT"));
  EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
}

TEST_F(EmailPool, MailThatComesWhileAConnectionSaysGoodbyeGoesOverAnother) {
  Serve({.script = {{"QUIT", FakeSmtpServer::kHold}}});
  SmtpProfile profile = OptionsWith(1);
  profile.timeouts.idle = absl::Milliseconds(1);
  Handle(profile);
  EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
  ASSERT_TRUE(server_->WaitFor("QUIT"));
  EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
  EXPECT_EQ(server_->CountOf("CONNECT"), 2);
  server_->Release();
}

TEST_F(EmailPool, NoMoreConnectionsAreOpenThanAllowed) {
  server_ = std::make_unique<FakeSmtpServer>(FakeSmtpServer::Options{.max_connections = 3});
  Handle(OptionsWith(3));
  ExpectAllSucceed(StartMany(50));
  EXPECT_EQ(server_->CountOf("FULL"), 0);
}

TEST_F(EmailPool, RefusedMailIsResetAndTheNextOneGoesOverTheSameConnection) {
  for (const std::vector<std::string>& offers :
       {std::vector<std::string>{}, std::vector<std::string>{"PIPELINING"}}) {
    Serve({.offers = offers});
    Handle(OptionsWith(1));
    EXPECT_EQ(ReasonOf(Deliver(NewAttempt({"code550@x"}))), "SMTP_REJECTED");
    EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
    EXPECT_THAT(server_->commands(), Contains("RSET"));
    EXPECT_EQ(server_->CountOf("CONNECT"), 1);
    ASSERT_EQ(server_->mails().size(), 1u);
    EXPECT_THAT(server_->mails()[0].recipients, ElementsAre("ada@example.org"));
  }
}

TEST_F(EmailPool, PipeliningIsForThoseWhoOfferIt) {
  Serve({.script = {{"MAIL", FakeSmtpServer::kHold}}, .offers = {}});
  auto pending = Start(NewAttempt());
  ASSERT_TRUE(server_->WaitFor("MAIL"));
  server_->Release();
  ExpectAllSucceed({pending});
  EXPECT_THAT(server_->commands(), Contains(StartsWith("MAIL FROM:<errand@example.org>")));
}

TEST_F(EmailPool, DeadConnectionCostsTheNextMailNothing) {
  Serve({.mails_a_connection = 1});
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
  EXPECT_EQ(server_->mails().size(), 10u);
}

TEST_F(EmailPool, ConnectionThatTurnsOutDeadIsReplacedOnceWhateverItDoes) {
  // The first MAIL is answered; each later one on the same connection is not.
  for (const char* last : {FakeSmtpServer::kDrop, "421 4.4.2 idle for too long\r\n"}) {
    Serve({});
    ASSERT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
    server_->SetScript("MAIL", last, 1);
    EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK") << last;
    EXPECT_EQ(server_->CountOf("CONNECT"), 2);
    // A new connection that dies is no accident.
    server_->SetScript("MAIL", last, 2);
    const Outcome outcome = Deliver(NewAttempt());
    EXPECT_THAT(ReasonOf(outcome), testing::AnyOf("SMTP_PROTOCOL_ERROR", "SMTP_REJECTED"));
    EXPECT_FALSE(outcome.permanent);
  }
}

TEST_F(EmailPool, ConnectionsBeyondTheServersLimitCostNoAttempt) {
  for (int most : {1, 3}) {
    server_ = std::make_unique<FakeSmtpServer>(FakeSmtpServer::Options{.max_connections = most});
    Handle(OptionsWith(20));
    ExpectAllSucceed(StartMany(100));
    EXPECT_EQ(server_->mails().size(), 100u);
    EXPECT_LE(handler_->GetRoom().tasks, 20);
  }
}

TEST_F(EmailPool, MailDoesNotWaitForAGreetingWhileAnotherConnectionIsIdle) {
  // Whoever falls out of a server's backlog is connected, and never greeted.
  Serve({.script = {{"CONNECT", FakeSmtpServer::kSilence}}, .bad_answers = 2});
  Handle(OptionsWith(20));
  ExpectAllSucceed(StartMany(20));
  EXPECT_EQ(server_->mails().size(), 20u);
}

TEST_F(EmailPool, NewConnectionsAreNotOpenedAllAtOnce) {
  Serve({.script = {{"CONNECT", FakeSmtpServer::kHold}}});
  Handle(OptionsWith(50));
  auto pending = StartMany(50);
  ASSERT_TRUE(server_->WaitFor("CONNECT", 4));
  EXPECT_EQ(server_->CountOf("CONNECT"), 4);
  server_->Release();
  ExpectAllSucceed(pending);
}

TEST_F(EmailPool, LimitOfTheServerIsRespectedForAWhile) {
  server_ = std::make_unique<FakeSmtpServer>(
      FakeSmtpServer::Options{.script = {{"DOT", FakeSmtpServer::kHold}}, .max_connections = 2});
  Handle(OptionsWith(8));
  auto pending = StartMany(8);
  ASSERT_TRUE(server_->WaitFor("DOT", 2));
  ASSERT_TRUE(server_->WaitFor("FULL", 1));
  server_->Release();
  ExpectAllSucceed(pending);
  EXPECT_LT(handler_->GetRoom().tasks, 8);
  const int refused = server_->CountOf("FULL");
  ExpectAllSucceed(StartMany(30));
  EXPECT_LE(server_->CountOf("FULL"), refused + 6) << "the limit comes down to what the server takes";
}

TEST_F(EmailPool, MailsWaitWhileTheServerTakesNoConnection) {
  Serve({.script = {{"CONNECT", "421 4.3.2 come back later\r\n"}}, .bad_answers = 3});
  Handle(OptionsWith(4));
  ExpectAllSucceed(StartMany(10));
  EXPECT_EQ(server_->CountOf("CONNECT"), 3 + 4) << "one tries at a time";
}

TEST_F(EmailPool, MailsWaitForAServerThatIsStartedAnew) {
  int port = 0;
  {
    FakeSmtpServer gone({});
    port = gone.port();
  }
  SmtpProfile options = OptionsWith(4);
  options.server = absl::StrCat("127.0.0.1:", port);
  Handle(options);
  auto pending = StartMany(6);
  AwaitTrouble();
  FakeSmtpServer back({.port = port});
  ExpectAllSucceed(pending);
  EXPECT_EQ(back.mails().size(), 6u);
  EXPECT_EQ(handler_->GetRoom().held_by, v1::HELD_BY_UNSPECIFIED);
  handler_.reset();
}

TEST_F(EmailPool, MailsWaitWhileTheServersSettingsAreWrong) {
  const struct {
    const char* point;
    const char* reply;
  } kCases[] = {
      {"CONNECT", "554 5.7.1 your address is not welcome\r\n"},
      {"EHLO", "504 5.5.2 need a domain\r\n"},
      {"MAIL", "530 5.7.0 authentication required\r\n"},
      {"RCPT", "530 5.7.0 authentication required\r\n"},
  };
  for (const auto& test : kCases) {
    Serve({.script = {{test.point, test.reply}}, .bad_answers = 3});
    Handle(OptionsWith(2));
    auto pending = StartMany(10);
    ASSERT_TRUE(server_->WaitFor(test.point, 2));
    ExpectAllSucceed(pending);
    EXPECT_EQ(server_->mails().size(), 10u) << test.point;
  }
}

TEST_F(EmailPool, MailsWaitForARightPasswordWhichIsReadAnew) {
  Serve({.login = "AGFkYQByaWdodA=="});  // NUL ada NUL right.
  const SecretFile password("wrong\n");
  SmtpProfile profile = OptionsWith(4);
  profile.login = SaslMechanism::kPlain;
  profile.user = "ada";
  profile.secret_file = password.path();
  profile.allow_plain_text_login = true;
  Handle(profile);
  auto pending = StartMany(10);
  ASSERT_TRUE(server_->WaitFor("AUTH", 3));
  EXPECT_EQ(server_->CountOf("MAIL"), 0);
  password.Write("right\n");
  ExpectAllSucceed(pending);
  EXPECT_EQ(server_->mails().size(), 10u);
}

TEST_F(EmailPool, ServerThatWantsALoginHoldsUpThoseWhoHaveNone) {
  Serve({.login = "AGFkYQByaWdodA=="});
  SmtpProfile profile = OptionsWith(4);
  profile.first_wait = absl::Hours(1);
  Handle(profile);
  auto pending = StartMany(10);
  AwaitTrouble();
  EXPECT_FALSE(pending[0]->done.HasBeenNotified());
  handler_.reset();
}

TEST_F(EmailPool, ProfilesHaveServersOfTheirOwnAndOneInTroubleHoldsUpNoOther) {
  Serve({});
  FakeSmtpServer bad({.script = {{"EHLO", "504 5.5.2 need a domain\r\n"}}});
  EmailHandlerOptions options;
  options.profiles = {OptionsWith(2), OptionsWith(2)};
  options.profiles[1].name = "bad";
  options.profiles[1].server = absl::StrCat("127.0.0.1:", bad.port());
  options.profiles[1].first_wait = absl::Hours(1);
  handler_ = *EmailHandler::Create(options, &loop_);
  EXPECT_EQ(handler_->GetRoom().tasks, 4);
  std::vector<std::shared_ptr<Pending>> held;
  for (int i = 0; i < 10; ++i) held.push_back(Start(WithProfile(NewAttempt(), "bad")));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
  EXPECT_TRUE(bad.mails().empty());
  // No more wait for it than it has connections; the others come back later, and have not tried.
  int put_off = 0;
  for (const auto& one : held) {
    if (!one->done.HasBeenNotified()) continue;
    EXPECT_TRUE(one->outcome.put_off.has_value());
    ++put_off;
  }
  EXPECT_GE(put_off, 6);
  EXPECT_EQ(handler_->GetRoom().tasks, 2);
  const Outcome gone = Deliver(WithProfile(NewAttempt(), "gone"));
  EXPECT_TRUE(gone.put_off.has_value());
  handler_.reset();
}

TEST_F(EmailPool, WrongSettingHoldsMailsUpVisibly) {
  Serve({.script = {{"EHLO", "504 5.5.2 need a domain\r\n"}}});
  SmtpProfile options = OptionsWith(8);
  options.first_wait = absl::Hours(1);
  Handle(options);
  auto pending = StartMany(3);
  AwaitTrouble();
  EXPECT_EQ(handler_->GetRoom().tasks, 0);
  EXPECT_FALSE(pending[0]->done.HasBeenNotified());
  handler_->Stop(1);
  EXPECT_EQ(ReasonOf(Await(pending[0])), "CANCELLED");
  handler_.reset();
  for (const auto& one : pending) EXPECT_EQ(ReasonOf(Await(one)), "CANCELLED");
}

TEST_F(EmailPool, RecipientsBeyondTheServersLimitGoInFurtherTransactions) {
  for (const char* too_many : {"452 4.5.3 too many recipients\r\n", "552 5.5.3 too many recipients\r\n",
                               "552 Too many recipients\r\n", "452 no more now\r\n"}) {
    for (const std::vector<std::string>& offers :
         {std::vector<std::string>{}, std::vector<std::string>{"PIPELINING"}}) {
      Serve({.offers = offers, .max_recipients = 50, .too_many = too_many});
      std::vector<std::string> to;
      for (int i = 0; i < 120; ++i) to.push_back(absl::StrCat("r", i, "@x"));
      const Outcome outcome = Deliver(NewAttempt(to));
      EXPECT_EQ(ReasonOf(outcome), "OK") << outcome.status;
      std::vector<std::string> got;
      for (const auto& mail : server_->mails()) {
        got.insert(got.end(), mail.recipients.begin(), mail.recipients.end());
      }
      EXPECT_EQ(got, to) << "each once";
      EXPECT_EQ(server_->mails().size(), 3u);
    }
  }
}

TEST_F(EmailPool, ThousandRecipientsGoInOneTransaction) {
  Serve({});
  std::vector<std::string> to;
  for (int i = 0; i < 1000; ++i) to.push_back(absl::StrCat("r", i, "@x"));
  EXPECT_EQ(ReasonOf(Deliver(NewAttempt(to))), "OK");
  EXPECT_EQ(server_->mails()[0].recipients.size(), 1000u);
}

TEST_F(EmailPool, MessageLargerThanTheServerTakesIsNotSent) {
  Serve({.offers = {"SIZE 100", "PIPELINING"}});
  const Outcome outcome = Deliver(NewAttempt());
  EXPECT_EQ(ReasonOf(outcome), "SMTP_REJECTED");
  EXPECT_TRUE(outcome.permanent);
  EXPECT_THAT(std::string(outcome.status.message()), testing::HasSubstr("at most 100"));
  EXPECT_THAT(server_->commands(), Not(Contains(StartsWith("MAIL"))));
}

TEST_F(EmailPool, HandOverIsNotedBeforeTheFinalDot) {
  Serve({});
  auto pending = std::make_shared<Pending>();
  {
    absl::MutexLock lock(&pending->mu);
    pending->holds_keep = true;
  }
  Start(NewAttempt({"good@x", "code550@x", "code450@x"}), pending);
  absl::AnyInvocable<void(absl::Status)> kept;
  {
    absl::MutexLock lock(&pending->mu);
    const auto held = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(pending->mu) { return pending->held != nullptr; };
    ASSERT_TRUE(pending->mu.AwaitWithTimeout(absl::Condition(&held), absl::Minutes(1)));
    kept = std::move(pending->held);
    ASSERT_EQ(pending->kept.size(), 1u);
    EXPECT_TRUE(pending->kept[0].handed_over());
    EXPECT_EQ(pending->kept[0].recipients(0).state(), v1::RECIPIENT_STATE_UNKNOWN);
    EXPECT_EQ(pending->kept[0].recipients(1).state(), v1::RECIPIENT_STATE_REFUSED);
    EXPECT_EQ(pending->kept[0].recipients(2).state(), v1::RECIPIENT_STATE_DEFERRED);
  }
  EXPECT_TRUE(server_->messages().empty());
  kept(absl::OkStatus());
  EXPECT_EQ(ReasonOf(Await(pending)), "SMTP_REJECTED");
  EXPECT_EQ(server_->mails().size(), 1u);
}

TEST_F(EmailPool, HandOverThatCannotBeNotedDoesNotHappen) {
  Serve({});
  auto pending = std::make_shared<Pending>();
  {
    absl::MutexLock lock(&pending->mu);
    pending->keeping = absl::FailedPreconditionError("the lease is over");
  }
  Start(NewAttempt(), pending);
  const Outcome outcome = Await(pending);
  EXPECT_EQ(ReasonOf(outcome), "CANCELLED");
  EXPECT_FALSE(outcome.result.email().handed_over());
  EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
  EXPECT_EQ(server_->messages().size(), 1u);
}

TEST_F(EmailPool, ClientWithoutADomainSaysItsAddress) {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  if (absl::StrContains(name, '.')) GTEST_SKIP() << "this host has a domain: " << name;
  Serve({});
  SmtpProfile options = Options();
  options.helo_name.clear();
  Handle(options);
  EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
  EXPECT_EQ(server_->commands()[0], "EHLO [127.0.0.1]");
  Serve({.ipv6 = true});
  options.server = absl::StrCat("[::1]:", server_->port());
  Handle(options);
  EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
  EXPECT_EQ(server_->commands()[0], "EHLO [IPv6:::1]");
}

}  // namespace
}  // namespace errand::handlers
