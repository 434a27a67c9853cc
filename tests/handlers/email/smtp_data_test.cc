#include "server/handlers/email/smtp_data.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "absl/strings/escaping.h"

namespace errand::handlers {
namespace {

std::string Encode(const std::string& message, size_t piece) {
  SmtpData data(message);
  std::string out;
  while (!data.done()) data.AppendTo(out, piece);
  data.AppendTo(out, piece);  // Adds nothing.
  return out + ".\r\n";
}

TEST(SmtpDataTest, StuffsDotsAndEndsWithOne) {
  const struct {
    const char* message;
    const char* wire;
  } kCases[] = {
      {"", ".\r\n"},
      {"a\r\n", "a\r\n.\r\n"},
      {"a", "a\r\n.\r\n"},
      {".", "..\r\n.\r\n"},
      {".\r\n", "..\r\n.\r\n"},
      {"a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"},
      {"..\r\n.x\r\na.b\r\n", "...\r\n..x\r\na.b\r\n.\r\n"},
      {"\r\n\r\n", "\r\n\r\n.\r\n"},
      // Smuggling: no server may see the end of the message earlier than another.
      {"a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"},
      {"a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"},
      {"a\r\n.\rb", "a\r\n..\r\nb\r\n.\r\n"},
      {"a\n\r.\r\n", "a\r\n\r\n..\r\n.\r\n"},
      {"a\r", "a\r\n.\r\n"},
  };
  for (const auto& test : kCases) {
    for (size_t piece : {1u, 2u, 3u, 7u, 4096u}) {
      EXPECT_EQ(Encode(test.message, piece), test.wire) << absl::CHexEscape(test.message) << " by " << piece;
    }
  }
}

TEST(SmtpDataTest, PieceSizeDoesNotChangeTheBytes) {
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    std::string message;
    const size_t size = random() % 200;
    while (message.size() < size) message.push_back("..\r\n\nab"[random() % 7]);
    const std::string whole = Encode(message, 1 << 20);
    EXPECT_EQ(Encode(message, 1 + random() % 20), whole) << absl::CHexEscape(message);
    // The terminator is there once, at the end.
    EXPECT_EQ(("\r\n" + whole).find("\r\n.\r\n"), whole.size() - 3) << absl::CHexEscape(whole);
  }
}

TEST(SmtpDataTest, PiecesAreBounded) {
  const std::string message(1 << 20, '.');
  SmtpData data(message);
  while (!data.done()) {
    std::string piece;
    data.AppendTo(piece, 1000);
    EXPECT_LE(piece.size(), 2010u);
  }
}

}  // namespace
}  // namespace errand::handlers
