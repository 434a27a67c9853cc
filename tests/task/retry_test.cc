#include "server/task/retry.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "server/task/duration.h"

namespace errand::task {
namespace {

TEST(Retry, WithoutAPolicyThereIsOneAttempt) { EXPECT_FALSE(NextBackoff(v1::RetryPolicy(), 1).has_value()); }

TEST(Retry, BackoffGrowsIsCappedAndIsDrawnFromZeroUp) {
  v1::RetryPolicy policy;
  policy.set_max_attempts(100);
  policy.mutable_min_backoff()->set_seconds(1);
  policy.mutable_max_backoff()->set_seconds(10);
  policy.set_multiplier(3);
  const absl::Duration ceilings[] = {absl::Seconds(1), absl::Seconds(3), absl::Seconds(9), absl::Seconds(10)};
  for (int attempt = 1; attempt <= 4; ++attempt) {
    absl::Duration shortest = absl::InfiniteDuration();
    absl::Duration longest;
    for (int i = 0; i < 2000; ++i) {
      const absl::Duration backoff = *NextBackoff(policy, attempt);
      shortest = std::min(shortest, backoff);
      longest = std::max(longest, backoff);
    }
    const absl::Duration ceiling = ceilings[attempt - 1];
    EXPECT_GE(shortest, absl::ZeroDuration());
    EXPECT_LT(shortest, ceiling * 0.1);
    EXPECT_LE(longest, ceiling);
    EXPECT_GT(longest, ceiling * 0.9);
  }
  EXPECT_TRUE(NextBackoff(policy, 99).has_value()) << "no overflow";
  EXPECT_FALSE(NextBackoff(policy, 100).has_value());
}

TEST(Retry, WhatIsNotJitterIsFixed) {
  v1::RetryPolicy policy;
  policy.set_max_attempts(2);
  policy.mutable_min_backoff()->set_seconds(10);
  policy.set_jitter(0);
  EXPECT_EQ(NextBackoff(policy, 1), absl::Seconds(10));
  policy.set_jitter(0.25);
  absl::Duration shortest = absl::InfiniteDuration();
  for (int i = 0; i < 2000; ++i) shortest = std::min(shortest, *NextBackoff(policy, 1));
  EXPECT_GE(shortest, absl::Seconds(7.5));
  EXPECT_LT(shortest, absl::Seconds(8));
}

TEST(Retry, MailIsTriedForADayWhateverIsDrawn) {
  v1::RetryPolicy policy = DefaultEmailRetryPolicy();
  absl::Duration least;
  EXPECT_LE(*NextBackoff(policy, 1), absl::Minutes(1)) << "greylisting wants a second try soon";
  EXPECT_GE(*NextBackoff(policy, 1), absl::Seconds(30));
  policy.set_jitter(0);
  for (int attempt = 1; attempt < policy.max_attempts(); ++attempt)
    least += *NextBackoff(policy, attempt) / 2;
  EXPECT_GE(least, absl::Hours(24));
}

TEST(Durations, SurviveTheWayThereAndBack) {
  for (int64_t nanos :
       {int64_t{0}, int64_t{1}, int64_t{-1}, int64_t{1'500'000'000}, int64_t{-1'500'000'000}}) {
    EXPECT_EQ(FromProto(ToProto(absl::Nanoseconds(nanos))), absl::Nanoseconds(nanos));
    const absl::Time time = absl::UnixEpoch() + absl::Nanoseconds(nanos);
    EXPECT_EQ(FromProto(ToProto(time)), time);
    EXPECT_GE(ToProto(time).nanos(), 0) << "a timestamp's nanos count forward";
  }
}

}  // namespace
}  // namespace errand::task
