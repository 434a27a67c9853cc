#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/data_folder.h"
#include "tests/end_to_end/server_log.h"
#include "tests/end_to_end/server_process.h"
#include "tests/handlers/email/fake_smtp_server.h"

namespace errand {
namespace {

using handlers::FakeSmtpServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Flags(const FakeSmtpServer& smtp) {
  return {absl::StrCat("--smtp_server=127.0.0.1:", smtp.port()), "--smtp_tls=none",
          "--smtp_helo=test.example"};
}

v1::CreateTaskRequest Mail(const std::vector<std::string>& recipients) {
  v1::CreateTaskRequest request;
  v1::EmailTask& email = *request.mutable_task()->mutable_email();
  email.set_from("Errand <errand@example.org>");
  for (const auto& recipient : recipients) email.add_to(recipient);
  email.set_subject("Grüße");
  email.set_text("Hello\n.dot at the start\n");
  return request;
}

TEST(EmailTasks, AMailArrivesAndItsTaskKeepsWhatTheServerSaid) {
  FakeSmtpServer smtp({});
  ServerProcess server(Flags(smtp));
  const Ran ran = RunToEnd(server.tasks(), Mail({"Bob <bob@example.net>"}));
  ASSERT_TRUE(ran.status.ok()) << ran.status.error_message();
  EXPECT_EQ(ran.end.state(), v1::TASK_STATE_SUCCEEDED) << ran.end.error().message();
  ASSERT_EQ(smtp.mails().size(), 1u);
  EXPECT_THAT(smtp.mails()[0].recipients, ElementsAre(HasSubstr("bob@example.net")));
  v1::Task task;
  ASSERT_TRUE(Get(server.tasks(), ran.events[0].task(), &task).ok());
  const v1::EmailReceipt& receipt = task.result().email();
  EXPECT_EQ(receipt.message_id(), absl::StrCat("<", task.uid(), "@example.org>"));
  EXPECT_THAT(smtp.mails()[0].data, HasSubstr(receipt.message_id()));
  ASSERT_EQ(receipt.recipients_size(), 1);
  EXPECT_TRUE(receipt.recipients(0).accepted());
  EXPECT_EQ(receipt.recipients(0).address(), "bob@example.net");
  EXPECT_EQ(server.Stop(), 0);
}

TEST(EmailTasks, RepliesAreKeptForEachRecipientAndARetryAddressesOnlyTheOthers) {
  FakeSmtpServer smtp({});
  ServerProcess server(Flags(smtp));
  v1::CreateTaskRequest request = Mail({"bob@example.net", "code451@example.net"});
  request.mutable_task()->mutable_retry_policy()->set_max_attempts(2);
  request.mutable_task()->mutable_retry_policy()->mutable_min_backoff()->set_nanos(1'000'000);
  const Ran ran = RunToEnd(server.tasks(), request);
  EXPECT_EQ(ran.end.state(), v1::TASK_STATE_FAILED);
  EXPECT_EQ(ReasonOf(ran.end.error()), "SMTP_REJECTED");
  ASSERT_EQ(ran.end.result().email().recipients_size(), 2);
  EXPECT_TRUE(ran.end.result().email().recipients(0).accepted());
  EXPECT_EQ(ran.end.result().email().recipients(1).reply().code(), 451);
  EXPECT_EQ(smtp.mails().size(), 1u) << "Bob gets it once";
}

// The fields of a message by which its reader tells two of them apart.
std::string Identity(const std::string& message) {
  std::string found;
  for (const absl::string_view line : absl::StrSplit(message, "\r\n")) {
    if (line.empty()) break;
    if (absl::StartsWith(line, "Message-ID:") || absl::StartsWith(line, "Date:")) {
      absl::StrAppend(&found, line, "\n");
    }
  }
  return found;
}

TEST(EmailTasks, IdAndDateStayWhenTheNextAttemptIsOnAHostOfAnotherName) {
  const DataFolder folder;
  FakeSmtpServer smtp({.script = {{"DOT", "451 4.3.0 later\r\n"}}});
  const auto serve_as = [&](const char* name) {
    return ServerProcess({absl::StrCat("--smtp_server=127.0.0.1:", smtp.port()), "--smtp_tls=none",
                          absl::StrCat("--smtp_helo=", name), absl::StrCat("--data_dir=", folder.path())});
  };
  v1::CreateTaskRequest request = Mail({"bob@example.net"});
  request.mutable_task()->mutable_retry_policy()->set_max_attempts(2);
  request.mutable_task()->mutable_retry_policy()->mutable_min_backoff()->set_seconds(2);
  v1::Task task;
  {
    ServerProcess server = serve_as("one.example");
    ASSERT_TRUE(Create(server.tasks(), request, &task).ok());
    WaitForState(server.tasks(), task.name(), v1::TASK_STATE_SCHEDULED);
    EXPECT_EQ(server.Stop(), 0);
  }
  ServerProcess server = serve_as("two.example");
  ASSERT_TRUE(Wait(server.tasks(), task.name(), 30'000, &task).ok());
  EXPECT_EQ(server.Stop(), 0);
  ASSERT_EQ(smtp.messages().size(), 2u);
  EXPECT_EQ(Identity(smtp.messages()[0]), Identity(smtp.messages()[1]));
  EXPECT_THAT(Identity(smtp.messages()[0]), HasSubstr(task.uid()));
}

// Sent SIGTERM at any point of a session, the server keeps to --drain_timeout.
TEST(EmailTasks, DrainTimeoutBoundsEveryPhase) {
  for (const char* point : {"CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT"}) {
    const DataFolder folder;
    FakeSmtpServer smtp({.script = {{point, FakeSmtpServer::kSilence}}});
    std::vector<std::string> flags = Flags(smtp);
    flags.push_back("--drain_timeout=200ms");
    flags.push_back(absl::StrCat("--data_dir=", folder.path()));
    v1::CreateTaskRequest request = Mail({"bob@example.net"});
    request.mutable_task()->mutable_run_timeout()->set_seconds(600);
    v1::Task task;
    {
      ServerProcess server(flags);
      ASSERT_TRUE(Create(server.tasks(), request, &task).ok());
      ASSERT_TRUE(smtp.WaitFor(point)) << point;
      const absl::Time signalled = absl::Now();
      EXPECT_EQ(server.Stop(), 0) << point;
      EXPECT_LE(absl::Now() - signalled, absl::Milliseconds(200) + absl::Seconds(10)) << point;
    }
    // What has become of it is known to the server after this one.
    FakeSmtpServer good({});
    ServerProcess server({absl::StrCat("--smtp_server=127.0.0.1:", good.port()), "--smtp_tls=none",
                          absl::StrCat("--data_dir=", folder.path())});
    ASSERT_TRUE(Wait(server.tasks(), task.name(), 30'000, &task).ok());
    if (absl::string_view(point) == "DOT") {
      EXPECT_EQ(task.state(), v1::TASK_STATE_FAILED);
      EXPECT_EQ(ReasonOf(task.error()), "DELIVERY_UNKNOWN");
      EXPECT_TRUE(good.mails().empty());
    } else {
      EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED) << point << task.error().message();
      EXPECT_EQ(good.mails().size(), 1u) << point;
    }
    EXPECT_EQ(server.Stop(), 0);
  }
}

// What becomes of a mail whose server is killed at `point` and started again, beside a mail server that
// works.
v1::Task KilledAt(const char* point, v1::OnUnknown on_unknown, size_t* mails) {
  const DataFolder folder;
  FakeSmtpServer smtp({.script = {{point, FakeSmtpServer::kSilence}}});
  std::vector<std::string> flags = Flags(smtp);
  flags.push_back(absl::StrCat("--data_dir=", folder.path()));
  v1::CreateTaskRequest request = Mail({"bob@example.net"});
  request.mutable_task()->mutable_email()->set_on_unknown(on_unknown);
  v1::Task task;
  {
    ServerProcess server(flags);
    EXPECT_TRUE(Create(server.tasks(), request, &task).ok());
    EXPECT_TRUE(smtp.WaitFor(point)) << point;
    server.Signal(SIGKILL);
    server.Wait();
  }
  FakeSmtpServer good({});
  ServerProcess server({absl::StrCat("--smtp_server=127.0.0.1:", good.port()), "--smtp_tls=none",
                        absl::StrCat("--data_dir=", folder.path())});
  EXPECT_TRUE(Wait(server.tasks(), task.name(), 30'000, &task).ok());
  EXPECT_EQ(server.Stop(), 0);
  *mails = good.mails().size();
  return task;
}

TEST(EmailTasks, KilledBeforeTheHandOverTheMailIsSentOnceMore) {
  for (const char* point : {"EHLO", "RCPT", "DATA"}) {
    size_t mails = 0;
    const v1::Task task = KilledAt(point, v1::ON_UNKNOWN_FAIL, &mails);
    EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED) << point << task.error().message();
    EXPECT_EQ(mails, 1u);
    EXPECT_FALSE(task.result().email().possible_duplicate());
  }
}

TEST(EmailTasks, KilledAfterTheHandOverTheTaskSaysWhatFollows) {
  size_t mails = 0;
  v1::Task task = KilledAt("DOT", v1::ON_UNKNOWN_UNSPECIFIED, &mails);
  EXPECT_EQ(task.state(), v1::TASK_STATE_FAILED);
  EXPECT_EQ(ReasonOf(task.error()), "DELIVERY_UNKNOWN");
  EXPECT_EQ(task.result().email().recipients(0).state(), v1::RECIPIENT_STATE_UNKNOWN);
  EXPECT_EQ(mails, 0u);
  task = KilledAt("DOT", v1::ON_UNKNOWN_RETRY, &mails);
  EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED) << task.error().message();
  EXPECT_TRUE(task.result().email().possible_duplicate());
  EXPECT_EQ(mails, 1u);
}

TEST(EmailTasks, AThousandMailsArriveAtAServerThatTakesTwentyConnections) {
  FakeSmtpServer smtp({.max_connections = 20});
  ServerProcess server(Flags(smtp));
  std::vector<std::string> names(1000);
  v1::Task task;
  for (std::string& name : names) {
    ASSERT_TRUE(Create(server.tasks(), Mail({"bob@example.net"}), &task).ok());
    name = task.name();
  }
  for (const std::string& name : names) {
    ASSERT_TRUE(Wait(server.tasks(), name, 30'000, &task).ok());
    EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED) << task.error().message();
    EXPECT_EQ(task.attempt_count(), 1) << "it cost no attempt";
  }
  EXPECT_EQ(smtp.mails().size(), names.size());
  EXPECT_EQ(server.Stop(), 0);
}

TEST(EmailTasks, WrongSettingIsSeenInTheQueueAndInTheLogAndCostsNoMail) {
  FakeSmtpServer smtp(
      {.script = {{"EHLO", "504 5.5.2 need a fully-qualified hostname\r\n"}}, .bad_answers = 2});
  ServerLog log;
  ServerProcess server(Flags(smtp), log.writer());
  v1::CreateTaskRequest request = Mail({"bob@example.net"});
  request.mutable_task()->mutable_retry_policy()->set_max_attempts(1);
  std::vector<std::string> names(100);
  v1::Task task;
  for (std::string& name : names) {
    ASSERT_TRUE(Create(server.tasks(), request, &task).ok());
    name = task.name();
  }
  EXPECT_THAT(log.WaitFor("fully-qualified"), HasSubstr("mails wait until the settings are right"));
  v1::GetQueueStatsRequest stats_of;
  stats_of.set_name("queues/default");
  v1::GetQueueStatsResponse stats;
  ASSERT_TRUE(Call(server.queues(), &v1::Queues::Stub::GetQueueStats, stats_of, &stats).ok());
  EXPECT_EQ(stats.stats().held_by(), v1::HELD_BY_MAIL_SERVER);
  for (const std::string& name : names) {
    ASSERT_TRUE(Wait(server.tasks(), name, 30'000, &task).ok());
    EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED) << task.error().message();
  }
  EXPECT_EQ(server.Stop(), 0);
}

TEST(EmailTasks, ProfilesSayWhereMailGoesAndOthersAreNotFound) {
  FakeSmtpServer shop({});
  FakeSmtpServer bulk({.login = "AGFkYQByaWdodA=="});  // NUL ada NUL right.
  const DataFolder folder;
  std::ofstream(folder.path() + "/password") << "right\n";
  std::ofstream(folder.path() + "/profiles")
      << "profile { name: 'default' server: '127.0.0.1:" << shop.port() << "' tls: NONE }\n"
      << "profile { name: 'bulk' server: '127.0.0.1:" << bulk.port()
      << "' tls: NONE message_id_domain: 'm.example'\n"
      << "  auth { mechanism: PLAIN user: 'ada' password_file: '" << folder.path()
      << "/password' allow_plain_text_login: true } }\n";
  ServerProcess server({absl::StrCat("--smtp_profiles=", folder.path(), "/profiles")});
  EXPECT_EQ(RunToEnd(server.tasks(), Mail({"bob@example.net"})).end.state(), v1::TASK_STATE_SUCCEEDED);
  v1::CreateTaskRequest request = Mail({"bob@example.net"});
  request.mutable_task()->mutable_email()->set_profile("bulk");
  const Ran ran = RunToEnd(server.tasks(), request);
  EXPECT_EQ(ran.end.state(), v1::TASK_STATE_SUCCEEDED) << ran.end.error().message();
  EXPECT_THAT(ran.end.result().email().message_id(), HasSubstr("@m.example>"));
  EXPECT_EQ(shop.mails().size(), 1u);
  EXPECT_EQ(bulk.mails().size(), 1u);
  request.mutable_task()->mutable_email()->set_profile("other");
  v1::Task task;
  const grpc::Status unknown = Create(server.tasks(), request, &task);
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(unknown.error_message(), HasSubstr("other"));
  EXPECT_EQ(server.Stop(), 0);
}

TEST(EmailTasks, SubmittingDoesNotWaitForAMailServerThatNeverAnswers) {
  FakeSmtpServer smtp({.script = {{"CONNECT", FakeSmtpServer::kSilence}}});
  auto flags = Flags(smtp);
  flags.push_back("--smtp_connections=2");
  flags.push_back("--drain_timeout=100ms");
  ServerProcess server(flags);
  v1::Task task;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(Create(server.tasks(), Mail({"bob@example.net"}), &task).ok());
  }
  EXPECT_EQ(RunToEnd(server.tasks(), LuaRequest("return 1")).end.state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(server.Stop(), 0);
}

}  // namespace
}  // namespace errand
