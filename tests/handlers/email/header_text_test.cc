#include "server/handlers/email/header_text.h"

#include <gmime/gmime.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace errand::handlers {
namespace {

std::string Decode(absl::string_view header) {
  const std::string value(absl::StripLeadingAsciiWhitespace(header.substr(header.find(':') + 1)));
  const std::unique_ptr<char, void (*)(void*)> text(
      g_mime_utils_header_decode_text(nullptr, absl::StrReplaceAll(value, {{"\r\n", ""}}).c_str()), g_free);
  return text.get();
}

void ExpectLegalLines(absl::string_view header, size_t most) {
  ASSERT_TRUE(absl::EndsWith(header, "\r\n"));
  header.remove_suffix(2);
  bool first = true;
  for (absl::string_view line : absl::StrSplit(header, "\r\n")) {
    EXPECT_LE(line.size(), most) << line;
    EXPECT_TRUE(first || line.front() == ' ' || line.front() == '\t') << line;
    EXPECT_NE(line.find_first_not_of(" \t"), absl::string_view::npos) << "blank line";
    for (unsigned char c : line) EXPECT_LT(c, 0x7f);
    first = false;
  }
}

TEST(HeaderTextTest, ShortAsciiStaysAsItIs) {
  EXPECT_EQ(TextHeader("Subject", "Hello, world"), "Subject: Hello, world\r\n");
  EXPECT_EQ(TextHeader("X-Empty", ""), "X-Empty:\r\n");
  EXPECT_EQ(TextHeader("X-Url", "<https://example.org/?a=b>"), "X-Url: <https://example.org/?a=b>\r\n");
}

TEST(HeaderTextTest, FoldsAtWhiteSpaceAndLosesNothing) {
  const std::string value =
      "a  double   spaced    text that is so very long that it has to fold "
      "somewhere    and the spaces count \t  here too, do they not";
  const std::string header = TextHeader("X-Long", value);
  ExpectLegalLines(header, 76);
  EXPECT_EQ(absl::StrReplaceAll(header, {{"\r\n", ""}}), "X-Long: " + value);
}

TEST(HeaderTextTest, LinesWithEncodedWordsHaveAtMost76Characters) {
  for (size_t name = 1; name <= 76; ++name) {
    const std::string header =
        TextHeader(std::string(name, 'N'), "Grüße aus Köln an alle Leserinnen und Leser dort");
    for (const absl::string_view line : absl::StrSplit(header, "\r\n")) {
      EXPECT_TRUE(line.size() <= 76 || !absl::StrContains(line, "=?")) << line;
    }
    EXPECT_EQ(Decode(header), "Grüße aus Köln an alle Leserinnen und Leser dort") << name;
  }
  EXPECT_TRUE(absl::StartsWith(TextHeader("Subject", std::string(100, 'x') + "ü"), "Subject: =?"));
  const std::string from =
      AddressHeader("From", {{"Ein recht langer Name mit Umlauten äöü", "someone@example.org"}});
  for (const absl::string_view line : absl::StrSplit(from, "\r\n")) EXPECT_LE(line.size(), 76u) << line;
}

TEST(HeaderTextTest, StructuredFieldIsNeverEncoded) {
  EXPECT_EQ(StructuredHeader("List-Unsubscribe", "<https://example.org/?=?a>"),
            "List-Unsubscribe: <https://example.org/?=?a>\r\n");
  ExpectLegalLines(StructuredHeader("List-Unsubscribe", std::string(997, 'a')), 998);
}

TEST(HeaderTextTest, LongUrlIsNotEncoded) {
  const std::string url = "<https://example.org/" + std::string(600, 'a') + ">";
  const std::string header = StructuredHeader("List-Unsubscribe", url + ", <mailto:x@example.org>");
  EXPECT_TRUE(absl::StrContains(header, url)) << header;
  ExpectLegalLines(header, 998);
}

TEST(HeaderTextTest, WordTooLongForALineIsEncoded) {
  for (size_t size : {970, 990, 996, 997, 998}) {
    const std::string value(size, 'x');
    const std::string header = TextHeader(std::string(76, 'N'), value);
    ExpectLegalLines(header, 998);
    EXPECT_EQ(Decode(header), value);
    const std::string blanks = "a" + std::string(size / 2, ' ') + std::string(size / 2 - 1, 'b');
    ExpectLegalLines(TextHeader("X-Blanks", blanks), 998);
  }
}

TEST(HeaderTextTest, Utf8BecomesEncodedWordsOfLegalLength) {
  std::string value = "Grüße 漢字 — ✓ 🎉 ";
  while (value.size() < 900) value += "漢字ä";
  const std::string header = TextHeader("Subject", value);
  ExpectLegalLines(header, 90);
  EXPECT_EQ(Decode(header), value);
  for (absl::string_view word : absl::StrSplit(absl::StrReplaceAll(header, {{"\r\n", ""}}), ' ')) {
    EXPECT_LE(word.size(), 75u);  // RFC 2047 section 2.
  }
}

TEST(HeaderTextTest, TextThatLooksEncodedArrivesAsWritten) {
  EXPECT_EQ(Decode(TextHeader("Subject", "a =?utf-8?q?b?= c")), "a =?utf-8?q?b?= c");
}

TEST(HeaderTextTest, BrokenUtf8IsCarriedWithoutHarm) {
  ExpectLegalLines(TextHeader("Subject", std::string(500, '\x80')), 90);
  ExpectLegalLines(TextHeader("Subject", std::string(500, '\xff')), 90);
}

TEST(HeaderTextTest, AddressesAreQuotedOrEncoded) {
  EXPECT_EQ(AddressHeader("To", {{"", "a@b"}}), "To: a@b\r\n");
  EXPECT_EQ(AddressHeader("To", {{"Ada L.", "a@b"}, {"", "c@d"}}), "To: \"Ada L.\" <a@b>, c@d\r\n");
  EXPECT_EQ(AddressHeader("To", {{"Ada Lovelace", "a@b"}}), "To: Ada Lovelace <a@b>\r\n");
  EXPECT_EQ(AddressHeader("To", {{" a  b ", "a@b"}}), "To: \" a  b \" <a@b>\r\n");
  EXPECT_EQ(AddressHeader("To", {{"a \"b\" \\c", "a@b"}}), "To: \"a \\\"b\\\" \\\\c\" <a@b>\r\n");
  EXPECT_EQ(AddressHeader("To", {{"Zoë", "a@b"}}), "To: =?UTF-8?B?Wm/Dqw==?= <a@b>\r\n");
}

TEST(HeaderTextTest, ManyAddressesParseBack) {
  std::vector<task::EmailAddress> addresses;
  for (int i = 0; i < 1000; ++i) {
    addresses.push_back({i % 3 == 0   ? ""
                         : i % 3 == 1 ? absl::StrCat("Nr. ", i, ", \"x\" <y@z>")
                                      : absl::StrCat("Zoë 漢字漢字漢字漢字漢字漢字 ", i),
                         absl::StrCat("user", i, "@example.org")});
  }
  const std::string header = AddressHeader("To", addresses);
  ExpectLegalLines(header, 100);
  const std::string value = absl::StrReplaceAll(header.substr(4), {{"\r\n", ""}});
  InternetAddressList* list = internet_address_list_parse(nullptr, value.c_str());
  ASSERT_NE(list, nullptr);
  ASSERT_EQ(internet_address_list_length(list), 1000);
  for (int i = 0; i < 1000; ++i) {
    InternetAddress* address = internet_address_list_get_address(list, i);
    const char* name = internet_address_get_name(address);
    EXPECT_EQ(name == nullptr ? "" : name, addresses[i].display_name);
    EXPECT_EQ(internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address)), addresses[i].address);
  }
  g_object_unref(list);
}

class GMimeEnvironment : public testing::Environment {
  void SetUp() override { g_mime_init(); }
};
const auto* const kEnvironment = testing::AddGlobalTestEnvironment(new GMimeEnvironment);

}  // namespace
}  // namespace errand::handlers
