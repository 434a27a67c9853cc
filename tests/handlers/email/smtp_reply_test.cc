#include "server/handlers/email/smtp_reply.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "text/utf8.h"

namespace errand::handlers {
namespace {

using Result = SmtpReplyParser::Result;

// The one reply that `wire` is, or one of code 0 and the problem.
v1::SmtpReply Parse(absl::string_view wire) {
  SmtpReplyParser parser;
  const Result result = parser.Feed(wire);
  v1::SmtpReply reply;
  if (result == Result::kReply) reply = parser.TakeReply();
  if (result == Result::kMalformed) reply.set_text(std::string(parser.problem()));
  if (result == Result::kIncomplete) reply.set_text("incomplete");
  return reply;
}

TEST(SmtpReplyTest, ReadsCodeEnhancedCodeAndText) {
  const struct {
    const char* wire;
    int code;
    const char* enhanced;
    const char* text;
  } kCases[] = {
      {"250 OK\r\n", 250, "", "OK"},
      {"250\r\n", 250, "", ""},
      {"250 \r\n", 250, "", ""},
      {"250 2.1.5 Ok\r\n", 250, "2.1.5", "Ok"},
      {"250 2.1.5\r\n", 250, "2.1.5", ""},
      {"550 5.7.510 no\r\n", 550, "5.7.510", "no"},
      {"550 5.1234.1 no\r\n", 550, "", "5.1234.1 no"},
      {"550 4.1.1 no\r\n", 550, "", "4.1.1 no"},  // Not the class of the code.
      {"550 5.1.1no\r\n", 550, "", "5.1.1no"},
      {"550 5..1 no\r\n", 550, "", "5..1 no"},
      {"550 5.1 no\r\n", 550, "", "5.1 no"},
      {"250-a\r\n250-b\r\n250 c\r\n", 250, "", "a\nb\nc"},
      {"250-a\r\n250\r\n", 250, "", "a\n"},
      {"550-5.1.1 no\r\n550 5.1.1 body\r\n", 550, "5.1.1", "no\nbody"},
      {"550-no\r\n550 5.1.1 body\r\n", 550, "", "no\n5.1.1 body"},
      {"354 go\r\n", 354, "", "go"},
      {"250 OK\n", 250, "", "OK"},
      {"250 OK\r\r\n", 250, "", "OK?"},
  };
  for (const auto& test : kCases) {
    const v1::SmtpReply reply = Parse(test.wire);
    EXPECT_EQ(reply.code(), test.code) << test.wire << reply.text();
    EXPECT_EQ(reply.enhanced_code(), test.enhanced) << test.wire;
    EXPECT_EQ(reply.text(), test.text) << test.wire;
  }
}

TEST(SmtpReplyTest, FirstDigitDecides) {
  const struct {
    const char* wire;
    int code;
    bool positive;
    bool transient;
    bool permanent;
  } kCases[] = {
      {"260 fine\r\n", 260, true, false, false},  {"299 fine\r\n", 299, true, false, false},
      {"471 later\r\n", 471, false, true, false}, {"499 later\r\n", 499, false, true, false},
      {"571 no\r\n", 571, false, false, true},    {"580 no\r\n", 580, false, false, true},
      {"599 no\r\n", 599, false, false, true},
  };
  for (const auto& test : kCases) {
    const v1::SmtpReply reply = Parse(test.wire);
    EXPECT_EQ(reply.code(), test.code);
    EXPECT_EQ(IsPositive(reply), test.positive) << test.wire;
    EXPECT_EQ(IsTransient(reply), test.transient) << test.wire;
    EXPECT_EQ(IsPermanent(reply), test.permanent) << test.wire;
  }
}

TEST(SmtpReplyTest, LastLineIsTheReplyWhereLinesDisagree) {
  const v1::SmtpReply reply = Parse("250-2.1.0 nearly\r\n550 5.7.1 but no\r\n");
  EXPECT_EQ(reply.code(), 550);
  EXPECT_EQ(reply.enhanced_code(), "");
  EXPECT_EQ(reply.text(), "nearly\n5.7.1 but no");
}

TEST(SmtpReplyTest, TextStaysUtf8AndBrokenBytesAreReplaced) {
  EXPECT_EQ(Parse("550 5.1.1 Empfänger nicht bekannt: 受信者\r\n").text(), "Empfänger nicht bekannt: 受信者");
  EXPECT_EQ(Parse("421 4.3.2 \xff\x01 bye\t.\r\n").text(), "\xef\xbf\xbd? bye\t.");
  EXPECT_EQ(Parse("550 caf\xe9\r\n").text(), "caf\xef\xbf\xbd");
  EXPECT_EQ(Parse("550 \xc3\r\n").text(), "\xef\xbf\xbd") << "a character that is cut off";
  std::string wire;
  for (int i = 0; i < 5; ++i) absl::StrAppend(&wire, "250-x", std::string(1000, 'y'), "€€€€\r\n");
  const std::string text = Parse(wire + "250 end\r\n").text();
  EXPECT_LE(text.size(), kMaxReplyTextBytes);
  EXPECT_TRUE(text::IsUtf8(text)) << "the bound cuts between characters";
}

TEST(SmtpReplyTest, RefusesWhatIsNotAReply) {
  for (const std::string& wire :
       {std::string("\r\n"), std::string("HTTP/1.1 400 Bad Request\r\n"), std::string("25\r\n"),
        std::string("250_OK\r\n"), std::string("2500 OK\r\n"), std::string("150 no\r\n"),
        std::string("650 no\r\n"), std::string("25a no\r\n"), std::string("2a0 no\r\n"),
        std::string("-50 no\r\n"), std::string("250-a\r\nb\r\n"), std::string(" 250 OK\r\n"),
        std::string("\0\0\0\n", 4)}) {
    const v1::SmtpReply reply = Parse(wire);
    EXPECT_EQ(reply.code(), 0) << absl::CHexEscape(wire);
    EXPECT_NE(reply.text(), "incomplete") << absl::CHexEscape(wire);
  }
}

TEST(SmtpReplyTest, StopsAtTheEndOfAReply) {
  SmtpReplyParser parser;
  absl::string_view bytes = "250 one\r\n251 two\r\n25";
  ASSERT_EQ(parser.Feed(bytes), Result::kReply);
  EXPECT_EQ(bytes, "251 two\r\n25");
  EXPECT_EQ(parser.TakeReply().text(), "one");
  ASSERT_EQ(parser.Feed(bytes), Result::kReply);
  EXPECT_EQ(parser.TakeReply().code(), 251);
  ASSERT_EQ(parser.Feed(bytes), Result::kIncomplete);
  EXPECT_TRUE(bytes.empty());
}

TEST(SmtpReplyTest, BoundsLinesAndReplies) {
  EXPECT_EQ(Parse("250 " + std::string(2000, 'x') + "\r\n").code(), 250);
  EXPECT_EQ(Parse("250 " + std::string(3000, 'x') + "\r\n").code(), 0);
  EXPECT_EQ(Parse(std::string(3000, 'x')).text(), "a line of its reply is too long");
  std::string wire;
  for (int i = 0; i < 50; ++i) absl::StrAppend(&wire, "250-", std::string(1000, 'x'), "\r\n");
  const v1::SmtpReply reply = Parse(wire + "250 end\r\n");
  EXPECT_EQ(reply.code(), 250);
  EXPECT_EQ(reply.text().size(), kMaxReplyTextBytes);
  EXPECT_EQ(Parse(wire + wire).text(), "its reply is too long");
}

TEST(SmtpReplyTest, TakesNoMoreAfterAMalformedLine) {
  SmtpReplyParser parser;
  absl::string_view bytes = "what\r\n250 OK\r\n";
  EXPECT_EQ(parser.Feed(bytes), Result::kMalformed);
  EXPECT_EQ(parser.Feed(bytes), Result::kMalformed);
}

TEST(SmtpReplyTest, SaysAReplyOnOneLine) {
  EXPECT_EQ(ToString(Parse("550-5.1.1 no\r\n550 5.1.1 body\r\n")), "550 5.1.1 no body");
  EXPECT_EQ(ToString(Parse("250\r\n")), "250");
  EXPECT_EQ(ToString(v1::SmtpReply()), "");
}

// The same bytes give the same replies however they are cut, valid replies are found between the noise of
// what the generator makes, and nothing is kept beyond the published bounds.
TEST(SmtpReplyTest, AnyBytesInAnyPiecesAreReadTheSameWay) {
  std::mt19937 random(20240);
  const std::vector<std::string> pieces = {"250",
                                           "550",
                                           " ",
                                           "-",
                                           "\r\n",
                                           "\n",
                                           "\r",
                                           "5.1.1",
                                           "2.0",
                                           "hello",
                                           "\0",
                                           "\xff\xfe",
                                           "421 4.3.2 x\r\n",
                                           "250-a\r\n",
                                           "250 b\r\n"};
  int replies_in_all = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string wire;
    const int count = static_cast<int>(random() % 30);
    for (int i = 0; i < count; ++i) {
      if (random() % 8 == 0) {
        wire.push_back(static_cast<char>(random()));
      } else if (random() % 50 == 0) {
        wire.append(random() % 3000, 'x');
      } else {
        wire += random() % 2 ? "250 2.1.0 ok\r\n" : pieces[random() % pieces.size()];
      }
    }
    std::vector<std::string> expected;
    for (int cut = 0; cut < 3; ++cut) {
      SmtpReplyParser parser;
      std::vector<std::string> seen;
      absl::string_view left = wire;
      bool malformed = false;
      while (!left.empty() && !malformed) {
        const size_t bytes = cut == 0 ? left.size() : 1 + random() % (cut == 1 ? 3 : 40);
        absl::string_view piece = left.substr(0, bytes);
        left.remove_prefix(piece.size());
        while (!piece.empty() && !malformed) {
          const Result result = parser.Feed(piece);
          malformed = result == Result::kMalformed;
          if (malformed) seen.push_back(std::string(parser.problem()));
          if (result != Result::kReply) continue;
          const v1::SmtpReply reply = parser.TakeReply();
          EXPECT_GE(reply.code(), 200);
          EXPECT_LE(reply.code(), 599);
          EXPECT_LE(reply.text().size(), kMaxReplyTextBytes);
          seen.push_back(reply.SerializeAsString());
          ++replies_in_all;
        }
      }
      if (cut == 0) {
        expected = seen;
      } else {
        EXPECT_EQ(seen, expected) << absl::CHexEscape(wire);
      }
    }
  }
  EXPECT_GT(replies_in_all, 1000);
}

}  // namespace
}  // namespace errand::handlers
