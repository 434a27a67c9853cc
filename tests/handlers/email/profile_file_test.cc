#include "server/handlers/email/profile_file.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"

namespace errand::handlers {
namespace {

SmtpProfile Defaults() {
  SmtpProfile defaults;
  defaults.connections = 64;
  return defaults;
}

TEST(ProfileFileTest, SaysWhereMailGoesAndAsWhom) {
  const auto profiles = ParseSmtpProfiles(R"(
      # The shop's.
      profile {
        name: "default"
        server: "mail.example.org:587"
        auth { mechanism: SCRAM_SHA_256 user: "shop" password_file: "/etc/errand/password" }
      }
      profile {
        name: "bulk"
        server: "[2001:db8::1]:465"
        tls: IMPLICIT
        tls_name: "bulk.example.org"
        ca_file: "/etc/errand/ca.pem"
        helo: "shop.example.org"
        message_id_domain: "shop.example.org"
        auth { mechanism: XOAUTH2 user: "shop" token_file: "/run/token" allow_plain_text_login: true }
        connections: 5
        mails_a_connection: 10
        idle_seconds: 3
      })",
                                          Defaults());
  ASSERT_TRUE(profiles.ok()) << profiles.status();
  ASSERT_EQ(profiles->size(), 2u);
  const SmtpProfile& first = (*profiles)[0];
  EXPECT_EQ(first.name, "default");
  EXPECT_EQ(first.server, "mail.example.org:587");
  EXPECT_EQ(first.tls, TlsMode::kStartTls);
  EXPECT_EQ(first.login, SaslMechanism::kScramSha256);
  EXPECT_EQ(first.secret_file, "/etc/errand/password");
  EXPECT_FALSE(first.allow_plain_text_login);
  EXPECT_EQ(first.connections, 64);
  const SmtpProfile& second = (*profiles)[1];
  EXPECT_EQ(second.tls, TlsMode::kImplicit);
  EXPECT_EQ(second.tls_name, "bulk.example.org");
  EXPECT_EQ(second.login, SaslMechanism::kXOAuth2);
  EXPECT_EQ(second.secret_file, "/run/token");
  EXPECT_EQ(second.message_id_domain, "shop.example.org");
  EXPECT_EQ(second.connections, 5);
  EXPECT_EQ(second.mails_a_connection, 10);
  EXPECT_EQ(second.timeouts.idle, absl::Seconds(3));
}

TEST(ProfileFileTest, WhatIsWrongIsNamedWithItsPlace) {
  const struct {
    const char* text;
    const char* problem;
  } kCases[] = {
      {"", "there must be a profile"},
      {"profile {\n  nam: \"x\"\n}", "line 2, column 6"},
      {"profile { server: \"a:1\" }", "name"},
      {"profile { name: \"x\" tls: SOMETIMES }", "SOMETIMES"},
      {"profile { name: \"x\" auth { user: \"u\" } }", "auth.mechanism"},
      {"profile { name: \"x\" auth { mechanism: PLAIN user: \"u\" token_file: \"t\" } }",
       "auth.password_file"},
      {"profile { name: \"x\" auth { mechanism: XOAUTH2 user: \"u\" } }", "auth.token_file"},
      {"profile { name: \"x\" connections: -1 }", "connections must be 1 to 10000, not -1"},
      {"profile { name: \"x\" connections: 10001 }", "connections"},
      {"profile { name: \"x\" idle_seconds: -1 }", "idle_seconds"},
  };
  for (const auto& test : kCases) {
    const auto profiles = ParseSmtpProfiles(test.text, Defaults());
    EXPECT_EQ(profiles.status().code(), absl::StatusCode::kInvalidArgument) << test.text;
    EXPECT_TRUE(absl::StrContains(profiles.status().message(), test.problem)) << profiles.status();
  }
  EXPECT_TRUE(
      absl::StrContains(ReadSmtpProfiles("/no/such/file", Defaults()).status().message(), "/no/such/file"));
}

}  // namespace
}  // namespace errand::handlers
