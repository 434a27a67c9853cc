// Mail through real servers at their stock settings.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/email/mail_server.h"
#include "tests/end_to_end/server_process.h"

namespace errand {
namespace {

class MailServers : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (const std::string missing = MailServer::Missing(); !missing.empty()) GTEST_SKIP() << missing;
  }
};

v1::CreateTaskRequest Mail(int recipients) {
  v1::CreateTaskRequest request;
  v1::EmailTask& email = *request.mutable_task()->mutable_email();
  email.set_from("Errand <errand@example.org>");
  for (int i = 0; i < recipients; ++i) email.add_to(absl::StrCat("r", i, "@example.net"));
  email.set_subject("Grüße");
  email.set_text("Hello\n.dot at the start\n");
  return request;
}

// Every setting of Errand's is the default, too.
TEST_P(MailServers, AThousandMailsAtOnceAllArriveAtTheFirstAttempt) {
  const MailServer mail(GetParam());
  ASSERT_TRUE(mail.greets());
  ServerProcess server({absl::StrCat("--smtp_server=127.0.0.1:", mail.port()), "--smtp_tls=none"});
  std::vector<std::string> names(1000);
  v1::Task task;
  for (std::string& name : names) {
    ASSERT_TRUE(Create(server.tasks(), Mail(1), &task).ok());
    name = task.name();
  }
  for (const std::string& name : names) {
    ASSERT_TRUE(Wait(server.tasks(), name, 30'000, &task).ok());
    ASSERT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED) << task.error().message();
    EXPECT_EQ(task.attempt_count(), 1);
  }
  EXPECT_EQ(server.Stop(), 0);
}

TEST_P(MailServers, AThousandRecipientsAreServedInOneAttempt) {
  const MailServer mail(GetParam());
  ASSERT_TRUE(mail.greets());
  ServerProcess server({absl::StrCat("--smtp_server=127.0.0.1:", mail.port()), "--smtp_tls=none"});
  const Ran ran = RunToEnd(server.tasks(), Mail(1000));
  EXPECT_EQ(ran.end.state(), v1::TASK_STATE_SUCCEEDED) << ran.end.error().message();
  for (const auto& recipient : ran.end.result().email().recipients()) {
    EXPECT_EQ(recipient.state(), v1::RECIPIENT_STATE_ACCEPTED) << recipient.address();
  }
  EXPECT_EQ(server.Stop(), 0);
}

INSTANTIATE_TEST_SUITE_P(Stock, MailServers, ::testing::Values("postfix", "exim"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace errand
