#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/end_to_end/calls.h"
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
  EXPECT_EQ(receipt.message_id(), absl::StrCat("<", task.uid(), "@test.example>"));
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
