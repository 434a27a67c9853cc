// What is cut off or deleted of a data folder: a start either finds all that was acknowledged, or is refused,
// names the file, and has changed nothing; so do the tools.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/store/log/data_backup.h"
#include "server/store/log/end_file.h"
#include "server/store/log/log_journal.h"
#include "tests/store/dump.h"
#include "tests/store/log/data_folder.h"
#include "tests/store/log/thinning.h"
#include "tests/store/sample_history.h"

namespace errand::store::log {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

// A start on a folder: what it finds, or why it is refused.
absl::StatusOr<std::string> Start(const std::shared_ptr<FakeDisk>& disk) {
  absl::Status refused;
  StoreFixture fixture(AfterSampleHistory([&](const StoreOptions& options) {
    StoreUnderTest opened;
    auto journal = LogJournal::Open(disk.get(), {.segment_bytes = SampleHistory::kSegmentBytes});
    refused = journal.status();
    if (!journal.ok()) return opened;
    auto store = MemoryStore::Open(options, *std::move(journal));
    refused = store.status();
    if (!store.ok()) return opened;
    opened.run_alarms = [store = store->get()] { store->RunAlarms(); };
    opened.store = *std::move(store);
    return opened;
  }));
  if (!refused.ok()) return refused;
  const auto dump = Dump(fixture);
  return dump.ok() ? *dump + SampleHistory::Requests(fixture) : dump;
}

Said Backup(FakeDisk& disk) {
  Said said;
  FakeDisk copy;
  said.status = BackupData(disk, copy, [&](absl::string_view line) { said.lines.emplace_back(line); });
  EXPECT_TRUE(said.status.ok() || copy.List()->empty());
  said.lines.emplace_back(said.status.message());
  return said;
}

// A folder as a server leaves it that is stopped, or killed, after some steps of a history.
struct Folder {
  std::shared_ptr<FakeDisk> disk;
  std::string found;  // What a start finds in it.
};

Folder Left(std::shared_ptr<FakeDisk> disk) {
  const absl::StatusOr<std::string> found = Start(disk->Copy());
  EXPECT_TRUE(found.ok()) << found.status();
  return {std::move(disk), found.value_or("")};
}

Folder MakeFolder(size_t steps, bool killed) {
  auto disk = std::make_shared<FakeDisk>();
  std::shared_ptr<FakeDisk> as_killed;
  {
    StoreFixture fixture(SmallStoreOn(disk));
    SampleHistory history(&fixture);
    for (size_t i = 0; i < steps && !history.done(); ++i) EXPECT_TRUE(history.Next());
    as_killed = disk->Copy();
  }
  return Left(killed ? as_killed : disk);
}

// Of a server whose disk fails at some operation.
Folder MakeFolderUntil(int failing) {
  auto disk = std::make_shared<FakeDisk>();
  {
    StoreFixture fixture(SmallStoreOn(disk));
    disk->FailAfter(failing, absl::UnavailableError("no more"));
    SampleHistory history(&fixture);
    while (!history.done() && history.Next()) {
    }
  }
  return Left(disk->Copy());
}

size_t StepsOfHistory() {
  StoreFixture fixture([](const StoreOptions& options) { return MakeLogStore(options); });
  return SampleHistory(&fixture).steps();
}

// A folder that is damaged: what the start and the tools make of it. False: all of it was found.
bool ExpectNamedOrWhole(const Folder& folder, const std::string& file, std::shared_ptr<FakeDisk> disk) {
  const auto damaged = disk->Copy();
  const Said checked = Check(*disk);
  const Said backed_up = Backup(*disk);
  const absl::StatusOr<std::string> found = Start(disk);
  if (found.ok()) {
    EXPECT_EQ(*found, folder.found) << "something is gone, and nobody said so";
    EXPECT_TRUE(checked.status.ok() || IndexNumber(file) != 0) << checked.text();
    // Where nothing was written yet there is nothing to be copied.
    EXPECT_TRUE(backed_up.status.ok() || absl::IsNotFound(backed_up.status)) << backed_up.status;
    return false;
  }
  EXPECT_TRUE(absl::IsDataLoss(found.status())) << found.status();
  EXPECT_THAT(std::string(found.status().message()), HasSubstr(file));
  EXPECT_TRUE(absl::IsDataLoss(checked.status)) << checked.status;
  EXPECT_THAT(checked.text(), HasSubstr(file + ", byte "));
  EXPECT_TRUE(absl::IsDataLoss(backed_up.status)) << backed_up.status;
  EXPECT_THAT(backed_up.text(), HasSubstr(file));
  const std::vector<std::string> names = *damaged->List();
  EXPECT_EQ(*disk->List(), names);
  for (const std::string& name : names) {
    EXPECT_EQ(disk->Contents(name), damaged->Contents(name)) << name << " was changed";
  }
  const Said repaired = Repair(*disk);
  EXPECT_TRUE(repaired.status.ok()) << repaired.status << repaired.text();
  for (const std::string& line : checked.lines) EXPECT_THAT(repaired.lines, Contains(line));
  EXPECT_TRUE(Check(*disk).status.ok());
  const absl::StatusOr<std::string> salvaged = Start(disk);
  EXPECT_TRUE(salvaged.ok()) << salvaged.status();
  return true;
}

// ERRAND_DAMAGES: how many; 200 if it is not set.
TEST(DataDamage, WhateverIsCutOffOrDeletedIsNamedBeforeAnythingIsChanged) {
  int damages = 200 / kThinning;
  if (const char* asked = std::getenv("ERRAND_DAMAGES")) (void)absl::SimpleAtoi(asked, &damages);
  std::mt19937_64 random(11);
  const size_t steps = StepsOfHistory();
  int named = 0;
  for (int done = 0; done < damages;) {
    const bool killed = random() % 2 == 0;
    const Folder folder = MakeFolder(killed ? 1 + random() % steps : steps, killed);
    for (int i = 0; i < 10 && done < damages; ++i, ++done) {
      const std::vector<std::string> names = *folder.disk->List();
      const std::string file = names[random() % names.size()];
      const std::string contents = folder.disk->Contents(file);
      const bool deleted = random() % 3 == 0 || contents.empty();
      const size_t left = deleted ? 0 : random() % contents.size();
      SCOPED_TRACE(absl::StrCat("damage ", done, ": ", killed ? "killed" : "stopped", ", ", file,
                                deleted ? " deleted" : absl::StrCat(" cut off at ", left)));
      const auto disk = folder.disk->Copy();
      if (deleted) {
        ASSERT_TRUE(disk->Remove(file).ok());
      } else {
        disk->SetContents(file, contents.substr(0, left));
      }
      if (ExpectNamedOrWhole(folder, file, disk)) ++named;
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(named, damages / 4);
  EXPECT_LT(named, damages);
}

// Every segment and index of a folder, and the place where a cut hurts most.
class DamagedFolder : public ::testing::TestWithParam<bool> {
 protected:
  DamagedFolder() : folder_(MakeFolder(StepsOfHistory(), /*killed=*/GetParam())) {
    const std::vector<std::string> names = *folder_.disk->List();
    for (const std::string& name : names) {
      if (SegmentNumber(name) != 0) segments_.push_back(name);
    }
  }

  std::shared_ptr<FakeDisk> CutOff(const std::string& file, size_t bytes) const {
    auto disk = folder_.disk->Copy();
    disk->SetContents(file, disk->Contents(file).substr(0, bytes));
    return disk;
  }
  std::shared_ptr<FakeDisk> Without(const std::string& file) const {
    auto disk = folder_.disk->Copy();
    EXPECT_TRUE(disk->Remove(file).ok());
    return disk;
  }

  Folder folder_;
  std::vector<std::string> segments_;
};

TEST_P(DamagedFolder, AnySegmentThatIsGoneOrCutOffAnywhereIsNamed) {
  ASSERT_GE(segments_.size(), 4u);
  for (const std::string& segment : segments_) {
    SCOPED_TRACE(segment);
    EXPECT_TRUE(ExpectNamedOrWhole(folder_, segment, Without(segment)));
    const size_t size = folder_.disk->Contents(segment).size();
    for (const size_t left : {size_t{0}, size_t{1}, size_t{4095}, size_t{4096}, size_t{4097}, size - 1}) {
      SCOPED_TRACE(left);
      EXPECT_TRUE(ExpectNamedOrWhole(folder_, segment, CutOff(segment, left)));
    }
  }
}

TEST_P(DamagedFolder, WhatIsNotNeededMayBeDeleted) {
  const std::vector<std::string> names = *folder_.disk->List();
  int others = 0;
  for (const std::string& name : names) {
    if (SegmentNumber(name) != 0) continue;
    SCOPED_TRACE(name);
    ++others;
    EXPECT_FALSE(ExpectNamedOrWhole(folder_, name, Without(name)));
    EXPECT_FALSE(ExpectNamedOrWhole(folder_, name, CutOff(name, 20)));
  }
  EXPECT_GE(others, 3) << "END, an index, and a spare";
}

TEST_P(DamagedFolder, WithoutEndACutIsStillNamed) {
  for (const std::string& segment : segments_) {
    for (const size_t left : {size_t{0}, size_t{4096}, size_t{5000}}) {
      SCOPED_TRACE(absl::StrCat(segment, " ", left));
      if (segment == segments_.back() && left == 0) continue;  // As if it had not begun.
      auto disk = CutOff(segment, left);
      ASSERT_TRUE(disk->Remove(kEndName).ok());
      EXPECT_TRUE(ExpectNamedOrWhole(folder_, segment, disk));
    }
  }
  const Said checked = Check(*Without(kEndName));
  EXPECT_TRUE(checked.status.ok());
  EXPECT_THAT(checked.text(), HasSubstr("the end: whole, as far as the segments say: END is missing"));
}

TEST_P(DamagedFolder, AnEmptiedOneIsNotTakenForANewOne) {
  auto disk = folder_.disk->Copy();
  for (const std::string& segment : segments_) ASSERT_TRUE(disk->Remove(segment).ok());
  const absl::StatusOr<std::string> found = Start(disk);
  EXPECT_TRUE(absl::IsDataLoss(found.status())) << found.status();
  EXPECT_THAT(std::string(found.status().message()), HasSubstr(segments_.back()));
  const Said checked = Check(*disk);
  EXPECT_TRUE(absl::IsDataLoss(checked.status));
  EXPECT_THAT(checked.text(), HasSubstr(segments_.back()));
  EXPECT_TRUE(absl::IsDataLoss(Backup(*disk).status));
}

INSTANTIATE_TEST_SUITE_P(Of, DamagedFolder, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "AKilledServer" : "AStoppedServer"; });

// Also of one that is just being compacted: what of it counts is said again first.
TEST(DataDamage, TheFirstSegmentIsMissedWhereverTheServerWasKilled) {
  int operations = 0;
  {
    auto disk = std::make_shared<FakeDisk>();
    StoreFixture fixture(SmallStoreOn(disk));
    SampleHistory history(&fixture);
    while (!history.done()) ASSERT_TRUE(history.Next());
    operations = disk->operations();
  }
  ASSERT_GT(operations, 100);
  int named = 0;
  for (int failing = 0; failing < operations; failing += kThinning) {
    SCOPED_TRACE(absl::StrCat("operation ", failing));
    const Folder folder = MakeFolderUntil(failing);
    std::vector<std::string> names = *folder.disk->List();
    std::erase_if(names, [](const std::string& name) { return SegmentNumber(name) == 0; });
    if (names.empty()) continue;
    auto damaged = folder.disk->Copy();
    ASSERT_TRUE(damaged->Remove(names.front()).ok());
    if (ExpectNamedOrWhole(folder, names.front(), damaged)) ++named;
    if (HasFailure()) return;
  }
  EXPECT_GT(named, operations / kThinning / 2);
}

TEST(DataDamage, AServerIsStoppedByAFileThatIsGoneOrReplaced) {
  for (const bool replaced : {false, true}) {
    for (const bool newest : {false, true}) {
      SCOPED_TRACE(absl::StrCat(replaced ? "replaced" : "gone", newest ? ", the newest" : ""));
      auto disk = std::make_shared<FakeDisk>();
      absl::Notification failed;
      std::string why;
      StoreOptions options;
      options.on_failure = [&](const absl::Status& status) {
        why = std::string(status.message());
        failed.Notify();
      };
      StoreFixture fixture(SmallStoreOn(disk), options);
      for (int i = 0; i < 60; ++i) ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(absl::StrCat(i))).ok());
      std::vector<std::string> segments = *disk->List();
      std::erase_if(segments, [](const std::string& name) { return SegmentNumber(name) == 0; });
      ASSERT_GT(segments.size(), 1u);
      const std::string& segment = newest ? segments.back() : segments.front();
      if (replaced) {
        disk->SetContents(segment, disk->Contents(segment));
      } else {
        ASSERT_TRUE(disk->Remove(segment).ok());
      }
      // Nobody asks anything of it meanwhile.
      ASSERT_TRUE(failed.WaitForNotificationWithTimeout(absl::Seconds(30)));
      EXPECT_THAT(why, HasSubstr(segment));
      EXPECT_TRUE(absl::IsUnavailable(fixture.Submit(StoreFixture::Lua("late")).status()));
    }
  }
}

}  // namespace
}  // namespace errand::store::log
