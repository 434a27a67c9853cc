#include "text/nearest_word.h"

#include <gtest/gtest.h>

namespace errand::text {
namespace {

const std::vector<std::string> kVerbs = {"run", "submit", "get", "list", "wait", "watch", "cancel", "retry"};
const std::vector<std::string> kFlags = {"data_dir", "lua_workers", "smtp_server", "log_level", "listen"};

TEST(NearestWordTest, SwappedMissingWrongAndSurplusLettersAreForgiven) {
  EXPECT_EQ(NearestWord("lits", kVerbs), "list");
  EXPECT_EQ(NearestWord("cancl", kVerbs), "cancel");
  EXPECT_EQ(NearestWord("wacth", kVerbs), "watch");
  EXPECT_EQ(NearestWord("sumbit", kVerbs), "submit");
  EXPECT_EQ(NearestWord("rettry", kVerbs), "retry");
  EXPECT_EQ(NearestWord("rn", kVerbs), "run");
  EXPECT_EQ(NearestWord("data_dirr", kFlags), "data_dir");
}

TEST(NearestWordTest, CaseAndHyphensAreForgiven) {
  EXPECT_EQ(NearestWord("LIST", kVerbs), "list");
  EXPECT_EQ(NearestWord("data-dir", kFlags), "data_dir");
}

TEST(NearestWordTest, APartOfAWordIsNear) {
  EXPECT_EQ(NearestWord("workers", kFlags), "lua_workers");
  EXPECT_EQ(NearestWord("listening", kFlags), "listen");
}

TEST(NearestWordTest, TheNearestOneIsChosen) {
  EXPECT_EQ(NearestWord("wait", kVerbs), "wait");
  EXPECT_EQ(NearestWord("waitch", kVerbs), "watch");
}

TEST(NearestWordTest, NothingIsSaidOfWordsThatAreFarFromAll) {
  EXPECT_EQ(NearestWord("frobnicate", kVerbs), "");
  EXPECT_EQ(NearestWord("", kVerbs), "");
  EXPECT_EQ(NearestWord("x", {}), "");
  EXPECT_EQ(NearestWord(std::string(1'000'000, 'l'), kVerbs), "");
  EXPECT_EQ(Suggestion("frobnicate", kVerbs), "");
  EXPECT_EQ(Suggestion("lits", kVerbs), " (did you mean 'list'?)");
}

}  // namespace
}  // namespace errand::text
