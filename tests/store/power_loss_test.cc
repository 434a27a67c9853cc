// The store on a disk that fails at some operation, and on what a loss of power then leaves of it: everywhere
// in a short history.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/store/dump.h"
#include "tests/store/log/thinning.h"
#include "tests/store/log_store_factory.h"
#include "tests/store/sample_history.h"

namespace errand::store {
namespace {

StoreFactory OnDisk(const std::shared_ptr<log::FakeDisk>& disk) {
  return [disk](StoreOptions options) {
    options.max_body_bytes_in_memory = 500;  // Some bodies are read back,
    options.min_stored_past_bytes = 100;     // and some pasts.
    return OpenLogStore(disk, options, {.segment_bytes = SampleHistory::kSegmentBytes});
  };
}

// What a store that is opened again later finds, and that it goes on working.
std::string Look(const std::shared_ptr<log::FakeDisk>& disk, bool works) {
  StoreFixture fixture(AfterSampleHistory(OnDisk(disk)));
  const auto dump = Dump(fixture);
  EXPECT_TRUE(dump.ok()) << dump.status();
  if (!dump.ok()) return "";
  const std::string found = *dump + SampleHistory::Requests(fixture);
  if (!works) return found;
  EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("after")).ok());
  while (true) {
    const std::string id = fixture.RunOne();
    if (id.empty()) break;
    if (id == "after") fixture.Reopen();
  }
  EXPECT_EQ(fixture.State("after"), v1::TASK_STATE_SUCCEEDED);
  return found;
}

// What is there after each number of steps.
std::vector<std::string> LookAfterEachStep() {
  std::vector<std::string> found;
  for (size_t steps = 0;; ++steps) {
    const auto disk = std::make_shared<log::FakeDisk>();
    bool done = false;
    {
      StoreFixture fixture(OnDisk(disk));
      SampleHistory history(&fixture);
      for (size_t i = 0; i < steps; ++i) EXPECT_TRUE(history.Next()) << "step " << i;
      done = history.done();
    }
    found.push_back(Look(disk, /*works=*/false));
    if (done || testing::Test::HasFailure()) return found;
  }
}

// ERRAND_POWER_LOSSES: how many, if that is more than one at each operation.
TEST(PowerLoss, AtEveryOperationOfAShortHistoryLosesNothingThatWasAnswered) {
  int losses = 0;
  if (const char* asked = std::getenv("ERRAND_POWER_LOSSES")) (void)absl::SimpleAtoi(asked, &losses);
  const std::vector<std::string> expected = LookAfterEachStep();
  ASSERT_FALSE(HasFailure());

  int operations = 0;
  {
    const auto disk = std::make_shared<log::FakeDisk>();
    StoreFixture fixture(OnDisk(disk));
    SampleHistory history(&fixture);
    while (!history.done()) ASSERT_TRUE(history.Next());
    operations = disk->operations();
    const std::vector<std::string> names = *disk->List();
    EXPECT_EQ(std::count(names.begin(), names.end(), log::SegmentName(4)), 0) << "it is to be compacted";
  }
  ASSERT_GT(operations, 100);
  const int seeds = std::max(1, losses / operations);
  for (int failing = 0; failing < operations; failing += kThinning) {
    for (int seed = 0; seed < seeds; ++seed) {
      SCOPED_TRACE(absl::StrCat("operation ", failing, ", seed ", seed));
      const auto disk = std::make_shared<log::FakeDisk>();
      size_t made = 0;  // Steps that were answered.
      size_t safe = 0;  // Of these: up to here they were said to be safe.
      {
        StoreFixture fixture(OnDisk(disk));
        disk->FailAfter(failing, absl::UnavailableError("no power"));
        SampleHistory history(&fixture);
        while (!history.done() && history.Next()) {
          ++made;
          if (history.is_safe()) safe = made;
        }
      }
      std::mt19937_64 random(static_cast<uint64_t>(seed));
      disk->LosePower(random);
      const std::string found = Look(disk, /*works=*/true);
      const auto first = expected.begin() + static_cast<std::ptrdiff_t>(safe);
      const auto last = expected.begin() + static_cast<std::ptrdiff_t>(std::min(made + 2, expected.size()));
      EXPECT_NE(std::find(first, last, found), last)
          << "after " << made << " steps, " << safe << " of them safe, this is there:\n"
          << found << "\nand not\n"
          << expected[made];
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace errand::store
