#include "server/service/unread_answers.h"

#include <gtest/gtest.h>

#include <optional>

namespace errand::service {
namespace {

constexpr size_t kLarge = 1 << 20;

class UnreadAnswersTest : public ::testing::Test {
 protected:
  // An answer of so many bytes that counts how often it is cut.
  struct Sent {
    Sent(UnreadAnswers& all, size_t bytes) : held(all, bytes, [this] { ++cuts; }) {}
    int cuts = 0;
    UnreadAnswers::Held held;
  };

  clock::Instant now_;
  UnreadAnswers answers_{3 * kLarge, [this] { return now_; }};
};

TEST_F(UnreadAnswersTest, WhatIsTooMuchIsRefusedUntilOthersAreRead) {
  std::optional<Sent> first(std::in_place, answers_, 2 * kLarge);
  Sent second(answers_, kLarge);
  EXPECT_TRUE(first->held.status().ok() && second.held.status().ok());
  EXPECT_TRUE(absl::IsResourceExhausted(Sent(answers_, kLarge).held.status()));
  first.reset();
  EXPECT_TRUE(Sent(answers_, kLarge).held.status().ok());
  EXPECT_EQ(second.cuts, 0) << "nobody has waited for long";
}

TEST_F(UnreadAnswersTest, WhoHasNotReadForLongestIsCutFirst) {
  Sent first(answers_, kLarge);
  now_ += absl::Milliseconds(1);
  Sent second(answers_, kLarge);
  Sent third(answers_, kLarge);
  now_ += UnreadAnswers::kPatience;
  EXPECT_TRUE(Sent(answers_, kLarge).held.status().ok());
  EXPECT_EQ(first.cuts, 1);
  EXPECT_EQ(second.cuts + third.cuts, 0) << "no more than need be";
  EXPECT_TRUE(Sent(answers_, 2 * kLarge).held.status().ok());
  EXPECT_EQ(first.cuts, 1) << "once";
  EXPECT_EQ(second.cuts, 1);
}

TEST_F(UnreadAnswersTest, OneAloneIsSentHoweverLarge) {
  const Sent large(answers_, 100 * kLarge);
  EXPECT_TRUE(large.held.status().ok());
  EXPECT_TRUE(absl::IsResourceExhausted(Sent(answers_, kLarge).held.status()));
}

TEST_F(UnreadAnswersTest, SmallAnswersAreNeverRefused) {
  const Sent large(answers_, 100 * kLarge);
  const Sent small(answers_, UnreadAnswers::kSmallBytes - 1);
  EXPECT_TRUE(small.held.status().ok());
}

}  // namespace
}  // namespace errand::service
