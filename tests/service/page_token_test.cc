#include "server/service/page_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace errand::service {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

TEST(PageToken, GivesThePositionBackToTheSameRequest) {
  const std::string position("a\0\xff/queues", 10);
  const std::string token = MakePageToken({"ListTasks", "queues/a", "state = QUEUED"}, position);
  EXPECT_THAT(token, MatchesRegex("[A-Za-z0-9_-]+")) << "it goes into URLs";
  EXPECT_EQ(*ReadPageToken(token, {"ListTasks", "queues/a", "state = QUEUED"}), position);
}

TEST(PageToken, AnEmptyOneIsTheFirstPage) { EXPECT_EQ(*ReadPageToken("", {"ListTasks"}), ""); }

TEST(PageToken, IsRefusedWhereTheRequestIsAnother) {
  const std::string token = MakePageToken({"ListTasks", "ab", "c"}, "7");
  for (const PageScope& scope : {PageScope{"ListTasks", "ab", "d"}, PageScope{"ListTasks", "a", "bc"},
                                 PageScope{"ListQueues", "ab", "c"}, PageScope{"ListTasks", "ab"}}) {
    const absl::Status status = ReadPageToken(token, scope).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("page_token"));
  }
}

TEST(PageToken, IsRefusedWhereItIsDamaged) {
  const PageScope scope = {"ListTasks"};
  const std::string token = MakePageToken(scope, "1234567");
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    const absl::StatusOr<std::string> position = ReadPageToken(changed, scope);
    // The bits that pad the last character mean nothing.
    EXPECT_TRUE(!position.ok() || (i + 1 == token.size() && *position == "1234567")) << changed;
    EXPECT_FALSE(ReadPageToken(token.substr(0, i), scope).ok() && i > 0) << i;
  }
  EXPECT_FALSE(ReadPageToken("no token at all!", scope).ok());
}

TEST(PageSize, HasADefaultAndAMost) {
  EXPECT_EQ(*PageSize(0), 100);
  EXPECT_EQ(*PageSize(1), 1);
  EXPECT_EQ(*PageSize(std::numeric_limits<int32_t>::max()), 1000);
  EXPECT_TRUE(absl::IsInvalidArgument(PageSize(-1).status()));
}

}  // namespace
}  // namespace errand::service
