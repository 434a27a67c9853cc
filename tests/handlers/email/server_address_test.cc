#include "server/handlers/email/server_address.h"

#include <gtest/gtest.h>

#include <string>

namespace errand::handlers {
namespace {

TEST(ServerAddressTest, TakesNamesAndAddresses) {
  const struct {
    const char* text;
    const char* host;
    int port;
  } kCases[] = {
      {"mail.example.org:25", "mail.example.org", 25},
      {"localhost:1", "localhost", 1},
      {"192.0.2.1:587", "192.0.2.1", 587},
      {"[2001:db8::1]:65535", "2001:db8::1", 65535},
      {"[::1]:465", "::1", 465},
      {"mail_server:25", "mail_server", 25},
  };
  for (const auto& test : kCases) {
    const auto parsed = ParseServerAddress(test.text);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(parsed->host, test.host);
    EXPECT_EQ(parsed->port, test.port);
  }
}

TEST(ServerAddressTest, SaysWhatIsWrong) {
  const struct {
    const char* text;
    const char* problem;
  } kCases[] = {
      {"", "port is missing"},
      {"mail", "port is missing"},
      {"mail:", "1 to 65535"},
      {"mail:0", "1 to 65535"},
      {"mail:65536", "1 to 65535"},
      {"mail:99999999999", "1 to 65535"},
      {"mail:-25", "1 to 65535"},
      {"mail:smtp", "1 to 65535"},
      {"mail: 25", "1 to 65535"},
      {":25", "host must be"},
      {"ma il:25", "host must be"},
      {"smtp://mail:25", "brackets"},
      {"::1:25", "must stand in brackets"},
      {"[::1:25", "brackets"},
      {"[mail]:25", "must hold an IPv6"},
      {"[192.0.2.1]:25", "must hold an IPv6"},
      {"-x:25", "host must be"},
  };
  for (const auto& test : kCases) {
    const auto parsed = ParseServerAddress(test.text);
    ASSERT_FALSE(parsed.ok()) << test.text;
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(parsed.status().message().find(test.problem), absl::string_view::npos) << parsed.status();
  }
}

TEST(ServerAddressTest, TellsAddressesFromNames) {
  EXPECT_TRUE(IsIpAddress("192.0.2.1"));
  EXPECT_TRUE(IsIpAddress("::1"));
  EXPECT_FALSE(IsIpAddress("localhost"));
  EXPECT_FALSE(IsIpAddress("1.2.3.example"));
}

}  // namespace
}  // namespace errand::handlers
