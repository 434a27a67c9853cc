#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/handlers/email/certificate.h"
#include "tests/handlers/email/fixture.h"

namespace errand::handlers {
namespace {

class EmailTls : public EmailHandlerFixture, public testing::WithParamInterface<TlsMode> {
 protected:
  void ServeTls(const Certificate& certificate, std::map<std::string, std::string> script = {}) {
    server_ = std::make_unique<FakeSmtpServer>(
        FakeSmtpServer::Options{.script = std::move(script),
                                .certificate = &certificate,
                                .implicit_tls = GetParam() == TlsMode::kImplicit});
  }
  SmtpProfile TlsOptions(const std::string& ca_file, const std::string& host = "localhost") const {
    SmtpProfile options = Options(host);
    options.tls = GetParam();
    options.ca_file = ca_file;
    return options;
  }
  void ExpectTlsFailed(absl::string_view text) {
    const Outcome outcome = Deliver(NewAttempt());
    EXPECT_EQ(ReasonOf(outcome), "SMTP_TLS_FAILED") << outcome.status;
    EXPECT_TRUE(absl::StrContains(outcome.status.message(), text)) << outcome.status;
    EXPECT_FALSE(outcome.permanent);
    EXPECT_TRUE(server_->mails().empty());
    for (const std::string& command : server_->commands()) {
      EXPECT_FALSE(absl::StartsWith(command, "MAIL")) << "the sender was named in clear text";
    }
  }
};

TEST_P(EmailTls, MailIsEncrypted) {
  const Certificate certificate("DNS:localhost,IP:127.0.0.1");
  for (const char* host : {"localhost", "127.0.0.1"}) {
    ServeTls(certificate);
    Handle(TlsOptions(certificate.file(), host));
    const Outcome outcome = Deliver(NewAttempt());
    ASSERT_EQ(ReasonOf(outcome), "OK") << outcome.status;
    ASSERT_EQ(server_->mails().size(), 1u);
    EXPECT_TRUE(server_->mails()[0].encrypted);
  }
}

TEST_P(EmailTls, NextConnectionResumesTheSession) {
  const Certificate certificate("DNS:localhost");
  ServeTls(certificate);
  SmtpProfile options = TlsOptions(certificate.file());
  options.mails_a_connection = 1;
  Handle(options);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(ReasonOf(Deliver(NewAttempt())), "OK");
  ASSERT_EQ(server_->mails().size(), 3u);
  EXPECT_FALSE(server_->mails()[0].resumed);
  EXPECT_TRUE(server_->mails()[1].resumed);
  EXPECT_TRUE(server_->mails()[2].resumed);
}

TEST_P(EmailTls, LargeMessageIsEncryptedWhole) {
  const Certificate certificate("DNS:localhost");
  ServeTls(certificate);
  Handle(TlsOptions(certificate.file()));
  Attempt attempt = NewAttempt();
  v1::Task task = *attempt.task;
  auto* attachment = task.mutable_email()->add_attachments();
  attachment->set_filename("large");
  attachment->set_data(std::string(8 << 20, 'x'));
  attempt.task = std::make_shared<const v1::Task>(task);
  const Outcome outcome = Deliver(attempt);
  ASSERT_EQ(ReasonOf(outcome), "OK") << outcome.status;
  EXPECT_EQ(server_->mails()[0].data.size(), static_cast<size_t>(outcome.usage.output_bytes()));
}

TEST_P(EmailTls, CertificateOfAnotherHostIsRefused) {
  const Certificate certificate("DNS:other.example,IP:192.0.2.1");
  for (const char* host : {"localhost", "127.0.0.1"}) {
    ServeTls(certificate);
    Handle(TlsOptions(certificate.file(), host));
    ExpectTlsFailed("mismatch");
  }
}

TEST_P(EmailTls, CertificateOfAnUnknownAuthorityIsRefused) {
  const Certificate certificate("DNS:localhost");
  const Certificate trusted("DNS:localhost");
  ServeTls(certificate);
  Handle(TlsOptions(trusted.file()));
  ExpectTlsFailed("certificate is not acceptable");
  Handle(TlsOptions(""));  // The system's authorities do not know it either.
  ExpectTlsFailed("certificate is not acceptable");
}

TEST_P(EmailTls, ExpiredCertificateIsRefused) {
  const Certificate certificate("DNS:localhost", /*expired=*/true);
  ServeTls(certificate);
  Handle(TlsOptions(certificate.file()));
  ExpectTlsFailed("expired");
}

TEST_P(EmailTls, ClearTextInPlaceOfTheHandshakeIsRefused) {
  const Certificate certificate("DNS:localhost");
  ServeTls(certificate, {{"HANDSHAKE", "250 injected\r\n250 injected\r\n"}});
  Handle(TlsOptions(certificate.file()));
  ExpectTlsFailed("");
}

TEST_P(EmailTls, ConnectionLostInTheHandshakeIsATlsFailure) {
  const Certificate certificate("DNS:localhost");
  ServeTls(certificate, {{"HANDSHAKE", FakeSmtpServer::kDrop}});
  Handle(TlsOptions(certificate.file()));
  ExpectTlsFailed("during the TLS handshake");
}

TEST_P(EmailTls, SilenceInTheHandshakeIsATimeout) {
  const Certificate certificate("DNS:localhost");
  ServeTls(certificate, {{"HANDSHAKE", FakeSmtpServer::kSilence}});
  SmtpProfile options = TlsOptions(certificate.file());
  options.timeouts.handshake = absl::Milliseconds(50);
  Handle(options);
  EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "SMTP_TIMEOUT");
}

TEST_P(EmailTls, StopInTheHandshakeCancels) {
  const Certificate certificate("DNS:localhost");
  ServeTls(certificate, {{"HANDSHAKE", FakeSmtpServer::kSilence}});
  Handle(TlsOptions(certificate.file()));
  const auto pending = Start(NewAttempt());
  ASSERT_TRUE(server_->WaitFor("HANDSHAKE"));
  handler_->Stop(last_id_);
  EXPECT_EQ(ReasonOf(Await(pending)), "CANCELLED");
}

TEST_P(EmailTls, ConnectionLostAfterTheFinalDotLeavesDeliveryUnknown) {
  const Certificate certificate("DNS:localhost");
  ServeTls(certificate, {{"DOT", FakeSmtpServer::kDrop}});
  Handle(TlsOptions(certificate.file()));
  EXPECT_EQ(ReasonOf(Deliver(NewAttempt())), "DELIVERY_UNKNOWN");
}

INSTANTIATE_TEST_SUITE_P(Modes, EmailTls, testing::Values(TlsMode::kStartTls, TlsMode::kImplicit),
                         [](const auto& info) {
                           return info.param == TlsMode::kStartTls ? "StartTls" : "Implicit";
                         });

using EmailStartTls = EmailTls;

TEST_P(EmailStartTls, ServerWithoutStartTlsGetsNoMail) {
  Serve({});
  const Certificate certificate("DNS:localhost");
  Handle(TlsOptions(certificate.file()));
  ExpectTlsFailed("does not offer STARTTLS");
}

TEST_P(EmailStartTls, RefusedStartTlsGetsNoMail) {
  const Certificate certificate("DNS:localhost");
  for (const char* reply : {"454 4.7.0 not now\r\n", "554 5.7.0 no\r\n"}) {
    ServeTls(certificate, {{"STARTTLS", reply}});
    Handle(TlsOptions(certificate.file()));
    ExpectTlsFailed("refused STARTTLS");
  }
}

TEST_P(EmailStartTls, ClearTextPipelinedBehindStartTlsIsRefused) {
  const Certificate certificate("DNS:localhost");
  ServeTls(certificate, {{"STARTTLS", "220 go\r\n250 injected\r\n"}});
  Handle(TlsOptions(certificate.file()));
  ExpectTlsFailed("clear text came behind");
}

INSTANTIATE_TEST_SUITE_P(Mode, EmailStartTls, testing::Values(TlsMode::kStartTls),
                         [](const auto&) { return "StartTls"; });

}  // namespace
}  // namespace errand::handlers
