#include "server/sandbox/utf8.h"

#include <gtest/gtest.h>

namespace errand::sandbox {
namespace {

TEST(Utf8, AcceptsCharactersOfEveryLength) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"));
  EXPECT_TRUE(IsUtf8(std::string_view("\0", 1)));
}

TEST(Utf8, RefusesWhatRfc3629Refuses) {
  for (const char* bad : {"\x80", "\xC3", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\xFF"}) {
    EXPECT_FALSE(IsUtf8(bad));
  }
}

TEST(Utf8, EveryInvalidByteIsReplaced) {
  EXPECT_EQ(CleanUtf8("a\xFF\xC3z", 100), "a\xEF\xBF\xBD\xEF\xBF\xBDz");
}

TEST(Utf8, IsCutBetweenCharacters) {
  EXPECT_EQ(CleanUtf8("ab\xC3\xA9", 3), "ab");
  EXPECT_EQ(CleanUtf8("ab\xC3\xA9", 4), "ab\xC3\xA9");
  EXPECT_EQ(CleanUtf8("ab\xFF", 4), "ab");
}

}  // namespace
}  // namespace errand::sandbox
