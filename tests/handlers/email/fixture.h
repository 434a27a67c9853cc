#ifndef ERRAND_TESTS_HANDLERS_EMAIL_FIXTURE_H_
#define ERRAND_TESTS_HANDLERS_EMAIL_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "server/handlers/email/email_handler.h"
#include "server/handlers/handler.h"
#include "server/io/loop.h"
#include "tests/handlers/email/fake_smtp_server.h"

namespace errand::handlers {

// How an attempt ended, once it has, and what it wanted to be kept before.
struct Pending {
  absl::Notification done;
  Outcome outcome;

  absl::Mutex mu;
  std::vector<std::string> said ABSL_GUARDED_BY(mu);  // The log lines.
  std::vector<v1::EmailReceipt> kept ABSL_GUARDED_BY(mu);
  absl::Status keeping ABSL_GUARDED_BY(mu);     // What it is told of that,
  bool holds_keep ABSL_GUARDED_BY(mu) = false;  // unless that has to wait for this to be called:
  absl::AnyInvocable<void(absl::Status)> held ABSL_GUARDED_BY(mu);
};

// The reason of the outcome's ErrorInfo, or "OK".
std::string ReasonOf(const Outcome& outcome);

// A loop, a fake mail server and a handler that sends to it.
class EmailHandlerFixture : public testing::Test {
 protected:
  ~EmailHandlerFixture() override;

  // Options for server_, without TLS.
  SmtpProfile Options(const std::string& host = "127.0.0.1") const;

  // Makes server_ and, with it, handler_.
  void Serve(FakeSmtpServer::Options options);
  void Handle(SmtpProfile profile, absl::Duration destructor_patience = absl::Seconds(10));

  // An attempt to send a small mail, with an id of its own.
  Attempt NewAttempt(const std::vector<std::string>& to = {"ada@example.org"});

  std::shared_ptr<Pending> Start(Attempt attempt, std::shared_ptr<Pending> pending = nullptr);
  // Starts, waits, and gives the outcome.
  Outcome Deliver(Attempt attempt);
  static Outcome Await(const std::shared_ptr<Pending>& pending);

  io::Loop loop_;
  std::unique_ptr<FakeSmtpServer> server_;
  std::unique_ptr<EmailHandler> handler_;
  AttemptId last_id_ = 0;
};

}  // namespace errand::handlers

#endif  // ERRAND_TESTS_HANDLERS_EMAIL_FIXTURE_H_
