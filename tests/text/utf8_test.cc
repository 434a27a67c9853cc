#include "text/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace errand::text {
namespace {

TEST(Utf8Test, CharactersOfEveryLengthAreKnown) {
  EXPECT_EQ(Utf8Length("a\xff"), 1u);
  EXPECT_EQ(Utf8Length("\u00e9"), 2u);
  EXPECT_EQ(Utf8Length("\u4e2d"), 3u);
  EXPECT_EQ(Utf8Length("\U0001f600"), 4u);
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("a\u00e9\u4e2d\U0001f600"));
  EXPECT_TRUE(IsUtf8(std::string("\0", 1)));
}

TEST(Utf8Test, WhatIsNoCharacterIsNot) {
  EXPECT_EQ(Utf8Length(""), 0u);
  for (const std::string bad : {"\x80", "\xff", "\xc3", "\xc3(", "\xe4\xb8", "\xc0\xaf", "\xe0\x80\xaf",
                                "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"}) {
    EXPECT_EQ(Utf8Length(bad), 0u) << bad;
    EXPECT_FALSE(IsUtf8("a" + bad)) << bad;
  }
}

TEST(Utf8Test, WhatIsShortenedEndsWithAWholeCharacter) {
  EXPECT_EQ(Shortened("abcdef", 6), "abcdef");
  EXPECT_EQ(Shortened("abcdefg", 6), "abc...");
  EXPECT_EQ(Shortened("a\u4e2d\u4e2d\u4e2d", 9), "a\u4e2d...");
  EXPECT_EQ(Shortened("abcdefg", 2), "...");
}

}  // namespace
}  // namespace errand::text
