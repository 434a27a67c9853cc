// The store that keeps a log: the same cases as for every store, what survives its process and the machine's
// power, and what it says of a disk that fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "tests/store/log_store_factory.h"

namespace errand::store {
namespace {

using ::testing::HasSubstr;

INSTANTIATE_TEST_SUITE_P(Log, StoreConformance, ::testing::Values(MakeLogStore),
                         [](const auto&) { return "LogStore"; });

// Each task's id and state, of those in `queues/default`.
std::set<std::string> States(StoreFixture& fixture) {
  ListRequest request;
  request.queue = "queues/default";
  std::set<std::string> states;
  const absl::StatusOr<ListPage> page = fixture.List(request);
  EXPECT_TRUE(page.ok()) << page.status();
  if (!page.ok()) return states;
  for (const v1::Task& task : page->tasks) {
    states.insert(absl::StrCat(task.uid(), " ", v1::TaskState_Name(task.state())));
  }
  return states;
}

TEST(LogStore, EventsGoOnWhereTheyStood) {
  StoreFixture fixture(MakeLogStore);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  const Lease lease = fixture.Claim().at(0).lease;
  fixture.Log(lease, "line");
  fixture.Progress(lease, 1);
  fixture.Progress(lease, 2);  // In place of the first, which nobody has read.
  const EventBatch before = fixture.Events("a").value().value();
  const int64_t last = before.events.back()->sequence();
  EXPECT_EQ(last, 4);

  fixture.Reopen();
  const auto events = fixture.Events("a", last).value().value().events;
  ASSERT_EQ(events.size(), 1);
  EXPECT_EQ(events[0]->sequence(), last + 1);
  EXPECT_EQ(events[0]->state().state(), v1::TASK_STATE_QUEUED) << "the attempt did not survive";
  EXPECT_EQ(fixture.Get("a")->progress().completed(), 2);
  EXPECT_TRUE(absl::IsFailedPrecondition(fixture.Finish(lease, Verdict::kSucceeded)));
  EXPECT_EQ(fixture.Claim().at(0).attempt, 2);
}

TEST(LogStore, ATaskThatEndsTheServerTimeAndAgainFails) {
  StoreFixture fixture(MakeLogStore);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(fixture.Claim().size(), 1) << i;
    fixture.Reopen();
  }
  EXPECT_EQ(fixture.State("a"), v1::TASK_STATE_FAILED);
}

TEST(LogStore, ADiskThatFailsEndsAllWorkAndLosesNothingThatWasAnswered) {
  auto disk = std::make_shared<log::FakeDisk>();
  StoreOptions options;
  absl::Mutex mu;
  absl::Status failure;
  options.on_failure = [&](const absl::Status& why) {
    absl::MutexLock lock(&mu);
    failure = why;
  };
  StoreFixture fixture([disk](const StoreOptions& with) { return OpenLogStore(disk, with); }, options);
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  disk->FailAfter(0, absl::UnavailableError("1.segment: Input/output error"));

  const absl::Status refused = fixture.Submit(StoreFixture::Lua("b")).status();
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("Input/output error"));
  EXPECT_EQ(fixture.Get("a").status(), refused) << "what is in memory may not be what is on the disk";
  {
    absl::MutexLock lock(&mu);
    EXPECT_EQ(failure, refused);
  }

  std::mt19937_64 random(1);
  fixture.ReopenAfter([&] { disk->LosePower(random); });
  EXPECT_TRUE(States(fixture).contains("uid-a TASK_STATE_QUEUED"));
}

// ERRAND_POWER_LOSSES: how many; by hand, thousands.
TEST(LogStore, WhatWasAnsweredSurvivesALossOfPower) {
  int losses = 50;
  if (const char* asked = std::getenv("ERRAND_POWER_LOSSES")) (void)absl::SimpleAtoi(asked, &losses);
  std::mt19937_64 random(3);
  for (int round = 0; round < losses; ++round) {
    SCOPED_TRACE(absl::StrCat("round ", round));
    auto disk = std::make_shared<log::FakeDisk>();
    StoreFixture fixture([disk](const StoreOptions& with) { return OpenLogStore(disk, with); });
    disk->FailAfter(static_cast<int>(random() % 120), absl::UnavailableError("no power"));
    std::set<std::string> answered;
    std::string unknown;  // What was done last, and not answered.
    for (int i = 0; i < 60 && unknown.empty(); ++i) {
      const std::string id = absl::StrCat("t", i);
      if (!fixture.Submit(StoreFixture::Lua(id)).ok()) {
        unknown = id;
      } else if (answered.insert(absl::StrCat("uid-", id, " TASK_STATE_QUEUED")); random() % 2 == 0) {
        const auto claimed = fixture.Claim();
        if (claimed.empty()) break;
        const std::string first = Ids(claimed)[0];
        if (fixture.Finish(claimed[0].lease, Verdict::kSucceeded).ok()) {
          answered.erase(absl::StrCat("uid-", first, " TASK_STATE_QUEUED"));
          answered.insert(absl::StrCat("uid-", first, " TASK_STATE_SUCCEEDED"));
        } else {
          unknown = first;
        }
      }
    }
    fixture.ReopenAfter([&] { disk->LosePower(random); });
    std::set<std::string> found = States(fixture);
    if (!unknown.empty()) {
      const auto of_it = [&](const std::string& text) { return text.starts_with("uid-" + unknown + " "); };
      std::erase_if(found, of_it);
      std::erase_if(answered, of_it);
    }
    EXPECT_EQ(found, answered);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace errand::store
