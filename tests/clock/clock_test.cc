#include <gtest/gtest.h>

#include <limits>
#include <thread>
#include <type_traits>

#include "absl/synchronization/mutex.h"
#include "server/clock/condition_variable.h"
#include "server/clock/instant.h"
#include "server/clock/moment.h"

namespace errand::clock {
namespace {

// What keeps a duration from being measured on the wall clock.
static_assert(!std::is_convertible_v<absl::Time, Instant> && !std::is_convertible_v<Instant, absl::Time>);
static_assert(!std::is_constructible_v<Instant, absl::Time> &&
              !std::is_constructible_v<Instant, absl::Duration>);

TEST(Instant, DurationsAreAddedAndMeasured) {
  const Instant start = Instant::Now();
  EXPECT_EQ(start + absl::Seconds(2) - start, absl::Seconds(2));
  EXPECT_EQ(start - absl::Seconds(2) - start, absl::Seconds(-2));
  EXPECT_LT(start, start + absl::Nanoseconds(1));
  EXPECT_GE(Instant::Now(), start);
}

TEST(Instant, WhatIsInfiniteStaysSo) {
  const Instant future = Instant::InfiniteFuture();
  const Instant past = Instant::InfinitePast();
  EXPECT_EQ(future - absl::Hours(1), future);
  EXPECT_EQ(past + absl::InfiniteDuration(), past);
  EXPECT_EQ(Instant::Now() + absl::InfiniteDuration(), future);
  EXPECT_EQ(Instant::Now() - absl::InfiniteDuration(), past);
  EXPECT_EQ(Instant::Now() + absl::Hours(24 * 365 * 300), future) << "300 years do not fit";
  EXPECT_EQ(future - Instant::Now(), absl::InfiniteDuration());
  EXPECT_EQ(Instant::Now() - future, -absl::InfiniteDuration());
  EXPECT_EQ(future - future, absl::ZeroDuration());
}

TEST(Moment, EachClockTellsOfTheOther) {
  const Moment now{Instant() + absl::Hours(5), absl::FromUnixSeconds(1'000'000'000)};
  EXPECT_EQ(now.TimeOf(now.instant + absl::Minutes(1)), now.time + absl::Minutes(1));
  EXPECT_EQ(now.InstantOf(now.time - absl::Minutes(1)), now.instant - absl::Minutes(1));
  EXPECT_EQ(now.InstantOf(absl::InfiniteFuture()), Instant::InfiniteFuture());
  EXPECT_EQ(now.TimeOf(Instant::InfiniteFuture()), absl::InfiniteFuture());
}

TEST(ConditionVariable, AWaitEndsAtItsDeadlineAndNotBefore) {
  absl::Mutex mu;
  ConditionVariable changed;
  absl::MutexLock lock(&mu);
  const Instant deadline = Instant::Now() + absl::Milliseconds(20);
  while (Instant::Now() < deadline) changed.WaitUntil(&mu, deadline);
  EXPECT_GE(Instant::Now(), deadline);
}

TEST(ConditionVariable, ASignalEndsAWaitThatHasNoDeadline) {
  absl::Mutex mu;
  ConditionVariable changed;
  bool done = false;
  std::thread other([&] {
    absl::MutexLock lock(&mu);
    done = true;
    changed.Signal();
  });
  {
    absl::MutexLock lock(&mu);
    while (!done) changed.WaitUntil(&mu, Instant::InfiniteFuture());
  }
  other.join();
}

}  // namespace
}  // namespace errand::clock
