#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/handlers/email/connector.h"
#include "tests/handlers/email/fixture.h"

namespace errand::handlers {
namespace {

using EmailTimeout = EmailHandlerFixture;

constexpr absl::Duration kShort = absl::Milliseconds(50);

TEST_F(EmailTimeout, SilenceInEachPhaseEndsTheAttempt) {
  const struct {
    const char* point;
    absl::Duration SmtpTimeouts::*timeout;
    const char* reason;
  } kCases[] = {
      {"CONNECT", &SmtpTimeouts::greeting, "SMTP_TIMEOUT"},
      {"EHLO", &SmtpTimeouts::hello, "SMTP_TIMEOUT"},
      {"MAIL", &SmtpTimeouts::mail, "SMTP_TIMEOUT"},
      {"RCPT", &SmtpTimeouts::recipient, "SMTP_TIMEOUT"},
      {"DATA", &SmtpTimeouts::data, "SMTP_TIMEOUT"},
      {"DOT", &SmtpTimeouts::final_dot, "DELIVERY_UNKNOWN"},
  };
  for (const auto& test : kCases) {
    Serve({.script = {{test.point, FakeSmtpServer::kSilence}}});
    SmtpProfile options = Options();
    options.timeouts.*test.timeout = kShort;
    Handle(options);
    const Outcome outcome = Deliver(NewAttempt());
    EXPECT_EQ(ReasonOf(outcome), test.reason) << test.point << outcome.status;
    EXPECT_EQ(outcome.permanent, std::string(test.reason) == "DELIVERY_UNKNOWN");
    EXPECT_TRUE(absl::StrContains(outcome.status.message(), "50ms")) << outcome.status;
  }
}

TEST_F(EmailTimeout, ReplyThatNeverEndsEndsTheAttempt) {
  // An unfinished line, and an unfinished reply: bytes alone do not extend the wait.
  for (const char* script : {"220 hel", "220-hello\r\n"}) {
    Serve({.script = {{"CONNECT", script}}});
    SmtpProfile options = Options();
    options.timeouts.greeting = kShort;
    Handle(options);
    EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "SMTP_TIMEOUT");
  }
}

TEST_F(EmailTimeout, ServerThatStopsReadingTheMessageEndsTheAttempt) {
  Serve({.script = {{"MESSAGE", FakeSmtpServer::kDeaf}}});
  SmtpProfile options = Options();
  options.timeouts.block = kShort;
  Handle(options);
  Attempt attempt = NewAttempt();
  v1::Task task = *attempt.task;
  for (int i = 0; i < 3; ++i) {  // More than the buffers of two sockets take.
    auto* attachment = task.mutable_email()->add_attachments();
    attachment->set_filename("large");
    attachment->set_data(std::string(10 << 20, 'x'));
  }
  attempt.task = std::make_shared<const v1::Task>(task);
  const Outcome outcome = Deliver(attempt);
  EXPECT_EQ(ReasonOf(outcome), "SMTP_TIMEOUT") << outcome.status;
  EXPECT_FALSE(outcome.permanent);
}

TEST_F(EmailTimeout, SilenceAfterQuitOnlyClosesTheConnection) {
  Serve({.script = {{"QUIT", FakeSmtpServer::kSilence}}});
  SmtpProfile options = Options();
  options.mails_a_connection = 1;
  options.timeouts.quit = kShort;
  Handle(options);
  EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
}

Attempt WithRunTimeout(Attempt attempt, int64_t millis) {
  v1::Task task = *attempt.task;
  task.mutable_run_timeout()->set_seconds(millis / 1000);
  task.mutable_run_timeout()->set_nanos(static_cast<int32_t>(millis % 1000 * 1'000'000));
  attempt.task = std::make_shared<const v1::Task>(task);
  return attempt;
}

TEST_F(EmailTimeout, RunTimeoutBoundsAllPhases) {
  for (const char* point : {"CONNECT", "MAIL", "DATA"}) {
    Serve({.script = {{point, FakeSmtpServer::kSilence}}});
    const Outcome outcome = Deliver(WithRunTimeout(NewAttempt(), 100));
    EXPECT_EQ(ReasonOf(outcome), "RUN_TIMEOUT_EXCEEDED") << point;
    EXPECT_FALSE(outcome.permanent);
  }
}

TEST_F(EmailTimeout, RunTimeoutAfterTheFinalDotLeavesDeliveryUnknown) {
  Serve({.script = {{"DOT", FakeSmtpServer::kSilence}}});
  const Outcome outcome = Deliver(WithRunTimeout(NewAttempt(), 2000));
  EXPECT_EQ(ReasonOf(outcome), "DELIVERY_UNKNOWN") << outcome.status;
  EXPECT_TRUE(outcome.permanent);
}

SocketAddress Loopback(int port) { return *SocketAddress::Parse("127.0.0.1", static_cast<uint16_t>(port)); }

// A listener whose queue is full: the kernel leaves further connections without an answer.
class FullListener {
 public:
  FullListener() : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    const SocketAddress any = Loopback(0);
    bind(listener_.fd(), any.get(), any.size());
    listen(listener_.fd(), 0);
    sockaddr_in bound{};
    socklen_t size = sizeof bound;
    getsockname(listener_.fd(), reinterpret_cast<sockaddr*>(&bound), &size);
    port_ = ntohs(bound.sin_port);
    for (int i = 0; i < 8; ++i) {
      queued_.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
      const SocketAddress address = Loopback(port_);
      (void)!connect(queued_.back().fd(), address.get(), address.size());
    }
  }
  int port() const { return port_; }

 private:
  Socket listener_;
  int port_ = 0;
  std::vector<Socket> queued_;
};

TEST_F(EmailTimeout, ServerThatDoesNotTakeConnectionsIsUnreachable) {
  const FullListener full;
  SmtpProfile options = Options();
  options.server = absl::StrCat("127.0.0.1:", full.port());
  options.timeouts.connect = kShort;
  Handle(options);
  const Outcome outcome = Deliver(NewAttempt());
  EXPECT_EQ(ReasonOf(outcome), "SMTP_UNREACHABLE") << outcome.status;
}

TEST_F(EmailTimeout, StopWhileConnectingCancels) {
  const FullListener full;
  SmtpProfile options = Options();
  options.server = absl::StrCat("127.0.0.1:", full.port());
  Handle(options);
  const auto pending = Start(NewAttempt());
  handler_->Stop(last_id_);
  EXPECT_EQ(ReasonOf(Await(pending)), "CANCELLED");
}

TEST_F(EmailTimeout, StopWhileTheHostIsLookedUpCancels) {
  SmtpProfile options = Options();
  options.server = "no-such-host.invalid:25";
  Handle(options);
  const auto pending = Start(NewAttempt());
  handler_->Stop(last_id_);
  // Where the answer is there at once, it comes first.
  const std::string reason = ReasonOf(Await(pending));
  EXPECT_TRUE(reason == "CANCELLED" || reason == "SMTP_UNREACHABLE") << reason;
}

// Connects to the first of `addresses` that takes it; the address, or "".
std::string ConnectTo(io::Loop& loop, const std::vector<SocketAddress>& addresses, absl::Duration timeout) {
  std::unique_ptr<Connector> connector;
  absl::Notification done;
  std::string connected;
  loop.Post([&] {
    connector = std::make_unique<Connector>(&loop, addresses, timeout);
    connector->Start([&](Connector::Result result) {
      if (result.socket.is_open()) connected = result.address;
      done.Notify();
    });
  });
  done.WaitForNotification();
  absl::Notification destroyed;
  loop.Post([&] {
    connector.reset();
    destroyed.Notify();
  });
  destroyed.WaitForNotification();
  return connected;
}

TEST_F(EmailTimeout, EveryAddressIsTried) {
  FakeSmtpServer server({});
  const FullListener full;
  int closed_port;
  {
    FakeSmtpServer gone({});
    closed_port = gone.port();
  }
  EXPECT_EQ(ConnectTo(loop_,
                      {Loopback(closed_port), Loopback(full.port()), Loopback(server.port()),
                       Loopback(closed_port)},
                      kShort),
            absl::StrCat("127.0.0.1:", server.port()));
}

TEST_F(EmailTimeout, AddressThatDoesNotAnswerHoldsUpNoOther) {
  FakeSmtpServer server({.script = {}, .certificate = nullptr, .implicit_tls = false, .ipv6 = true});
  const FullListener full;
  const SocketAddress v6 = *SocketAddress::Parse("::1", static_cast<uint16_t>(server.port()));
  // Without racing this would take for ever; the families take turns.
  EXPECT_EQ(ConnectTo(loop_, {Loopback(full.port()), Loopback(full.port()), v6}, absl::InfiniteDuration()),
            absl::StrCat("[::1]:", server.port()));
}

}  // namespace
}  // namespace errand::handlers
