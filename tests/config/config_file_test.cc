#include "server/config/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_cat.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace errand::config {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::StartsWith;

auto Entry(int line, const std::string& key, const std::vector<std::string>& values) {
  return AllOf(Field(&ConfigEntry::line, line), Field(&ConfigEntry::key, key),
               Field(&ConfigEntry::values, values));
}

std::vector<ConfigEntry> Parsed(const std::string& text) {
  auto entries = ParseConfigFile(text);
  EXPECT_TRUE(entries.ok()) << entries.status();
  return entries.ok() ? *entries : std::vector<ConfigEntry>();
}

std::string Refusal(const std::string& text) { return std::string(ParseConfigFile(text).status().message()); }

TEST(ConfigFileTest, EveryKindOfValueIsRead) {
  EXPECT_THAT(Parsed("\xef\xbb\xbf# a comment\r\n"
                     "; another\n"
                     "\n"
                     "listen = localhost:50051\r\n"
                     "a=1 # after a value\n"
                     "path = /srv/a#b\n"
                     "  quoted = \"a # \\\"b\\\" \\u00e9\"  # c\n"
                     "literal = 'C:\\dir'\n"
                     "empty = \"\"\n"
                     "list = [a, \"b,c\", # of two\n"
                     "  'd',\n"
                     "]\n"
                     "none = []"),
              ElementsAre(Entry(4, "listen", {"localhost:50051"}), Entry(5, "a", {"1"}),
                          Entry(6, "path", {"/srv/a#b"}), Entry(7, "quoted", {"a # \"b\" \u00e9"}),
                          Entry(8, "literal", {"C:\\dir"}), Entry(9, "empty", {""}),
                          Entry(10, "list", {"a", "b,c", "d"}), Entry(13, "none", {})));
}

TEST(ConfigFileTest, WhatIsNoSettingIsRefusedWithItsLine) {
  EXPECT_THAT(Refusal("a = 1\n[server]\nb = 2"), StartsWith("line 2: there are no sections"));
  EXPECT_THAT(Refusal("\n\nlisten\n"), StartsWith("line 3: "));
  EXPECT_THAT(Refusal("listen : x"), StartsWith("line 1: "));
  EXPECT_THAT(Refusal("= 1"), StartsWith("line 1: "));
  EXPECT_THAT(Refusal("a =\nb = 1"), StartsWith("line 1: a value is missing"));
  EXPECT_THAT(Refusal("a = \"x\nb = 1"), HasSubstr("quotation mark"));
  EXPECT_THAT(Refusal("a = \"x\\"), HasSubstr("quotation mark"));
  EXPECT_THAT(Refusal("a = \"x\" y"), HasSubstr("only a comment"));
  EXPECT_THAT(Refusal("a = [1, 2"), HasSubstr("line 1: "));
  EXPECT_THAT(Refusal("a = [\"1\" 2]"), HasSubstr("a list is"));
  EXPECT_THAT(Refusal("a = ["), StartsWith("line 1: "));
  EXPECT_THAT(Refusal("a = \"\\q\""), StartsWith("line 1: "));
}

TEST(ConfigFileTest, ASettingThatIsThereTwiceIsRefused) {
  EXPECT_EQ(Refusal("a = 1\nb = 2\na = 3"), "line 3: 'a' is set on line 1 already");
}

TEST(ConfigFileTest, QuotedValuesAreReadBack) {
  for (const std::string value :
       {"", "plain", "a#b", "\"quoted\"", "back\\slash", "line\nfeed", "tab\t", "caf\u00e9", "'"}) {
    EXPECT_THAT(Parsed(absl::StrCat("a = ", QuoteConfigValue(value))), ElementsAre(Entry(1, "a", {value})));
  }
}

TEST(ConfigFileTest, AnyBytesAreReadOrRefused) {
  std::mt19937 random(1);
  const std::string alphabet = "ab=[]\"'\\#;, \n\t\r\xff-_1u";
  for (int round = 0; round < 50'000; ++round) {
    std::string bytes;
    for (size_t length = random() % 40; length > 0; --length) bytes += alphabet[random() % alphabet.size()];
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
}

}  // namespace
}  // namespace errand::config
