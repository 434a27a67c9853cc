#ifndef ERRAND_TESTS_HANDLERS_EMAIL_FIXTURE_H_
#define ERRAND_TESTS_HANDLERS_EMAIL_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "server/handlers/email/email_handler.h"
#include "server/handlers/handler.h"
#include "server/io/loop.h"
#include "tests/handlers/email/fake_smtp_server.h"

namespace errand::handlers {

// How an attempt ended, once it has.
struct Pending {
  absl::Notification done;
  Outcome outcome;
};

// The reason of the outcome's ErrorInfo, or "OK".
std::string ReasonOf(const Outcome& outcome);

// A loop, a fake mail server and a handler that sends to it.
class EmailHandlerFixture : public testing::Test {
 protected:
  ~EmailHandlerFixture() override;

  // Options for server_, without TLS.
  EmailHandlerOptions Options(const std::string& host = "127.0.0.1") const;

  // Makes server_ and, with it, handler_.
  void Serve(FakeSmtpServer::Options options);
  void Handle(EmailHandlerOptions options);

  // An attempt to send a small mail, with an id of its own.
  Attempt NewAttempt(const std::vector<std::string>& to = {"ada@example.org"});

  std::shared_ptr<Pending> Start(Attempt attempt);
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
