// What is said of a damaged folder, and what of it there is after a repair.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/store/log/data_folder.h"
#include "tests/store/log/thinning.h"

namespace errand::store::log {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// Has tasks in every segment; every third has ended. Uids are `uid-0007`.
class DataFolder : public ::testing::Test {
 protected:
  static constexpr int kTasks = 99;

  DataFolder() {
    {
      StoreFixture fixture(SmallStoreOn(disk_));
      for (int i = 0; i < kTasks; ++i) {
        EXPECT_TRUE(fixture.Submit(Padded(i)).ok());
        if (i % 3 != 2) continue;
        EXPECT_EQ(fixture.RunOne(), Id(i / 3));
      }
      states_ = StatesOf(fixture);
    }
    const std::vector<std::string> names = *disk_->List();
    for (const std::string& name : names) {
      if (SegmentNumber(name) != 0) segments_.push_back(name);
    }
  }

  static std::string Id(int i) { return absl::StrCat(absl::Dec(i, absl::kZeroPad4)); }
  static Wanted Padded(int i) {
    return StoreFixture::LuaWith(Id(i), [](v1::Task& task) {
      task.mutable_lua()->set_source(absl::StrCat("-- ", std::string(200, 'x')));
    });
  }

  FakeDisk& disk() { return *disk_; }
  std::shared_ptr<FakeDisk> copy() const { return disk_->Copy(); }
  const TaskStates& states() const { return states_; }
  const std::vector<std::string>& segments() const { return segments_; }
  const std::string& first() const { return segments_.front(); }
  // Old enough to have an index, as the first one.
  const std::string& middle() const { return segments_[segments_.size() / 3]; }
  const std::string& last() const { return segments_.back(); }

  // A task that was added in a segment, and where that is said in it.
  struct Added {
    std::string uid;
    size_t offset;
  };
  static Added SomeTask(const FakeDisk& disk, const std::string& segment, int which = 1) {
    const std::string contents = disk.Contents(segment);
    size_t at = 0;
    for (int i = 0; i <= which; ++i) {
      at = contents.find("queues/default/tasks/", at + 1);
      EXPECT_NE(at, std::string::npos);
    }
    return {"uid-" + contents.substr(at + 21, 4), at};
  }
  static std::string IndexOf(const std::string& segment) { return IndexName(SegmentNumber(segment)); }

  TaskStates Without(const std::string& uid) const {
    TaskStates states = states_;
    EXPECT_EQ(states.erase(uid), 1u) << uid;
    return states;
  }

 private:
  std::shared_ptr<FakeDisk> disk_ = std::make_shared<FakeDisk>();
  TaskStates states_;
  std::vector<std::string> segments_;
};

TEST_F(DataFolder, AGoodOneIsSaidToBeFineAndLeftAlone) {
  ASSERT_GE(segments().size(), 4u);
  const int before = disk().operations();
  const Said checked = Check(disk());
  EXPECT_TRUE(checked.status.ok()) << checked.status;
  EXPECT_THAT(checked.lines, Contains("tasks: 66 QUEUED, 33 SUCCEEDED"));
  EXPECT_THAT(checked.lines, Contains("nothing is damaged"));
  EXPECT_THAT(checked.lines, Contains(absl::StrCat("segments: ", segments().size())));
  const Said repaired = Repair(disk());
  EXPECT_TRUE(repaired.status.ok()) << repaired.status;
  EXPECT_THAT(repaired.lines, Contains("nothing is damaged; nothing was changed"));
  EXPECT_EQ(disk().operations(), before);
  EXPECT_EQ(OpenAndList(copy()), states());
}

TEST_F(DataFolder, AnEmptyOneIsFine) {
  FakeDisk empty;
  EXPECT_TRUE(Check(empty).status.ok());
  EXPECT_TRUE(Repair(empty).status.ok());
}

TEST_F(DataFolder, ATaskWhoseRecordIsDamagedIsLostAndNamed) {
  for (const std::string& segment : {first(), middle(), last()}) {
    SCOPED_TRACE(segment);
    const auto disk = copy();
    const Added task = SomeTask(*disk, segment, 0);
    Flip(*disk, segment, task.offset);
    const Said checked = Check(*disk);
    EXPECT_TRUE(absl::IsDataLoss(checked.status)) << checked.status;
    EXPECT_THAT(checked.text(), HasSubstr(absl::StrCat(segment, ", byte ")));
    EXPECT_THAT(checked.text(), HasSubstr(": lost: "));
    // Of the newest segments there is no index.
    if (segment != last()) {
      EXPECT_THAT(checked.text(), HasSubstr("tasks/" + task.uid.substr(4)));
    }
    const Said repaired = Repair(*disk);
    ASSERT_TRUE(repaired.status.ok()) << repaired.status << repaired.text();
    for (const std::string& line : checked.lines) EXPECT_THAT(repaired.lines, Contains(line));
    EXPECT_THAT(*disk->List(), Contains(segment + ".damaged"));
    EXPECT_TRUE(Check(*disk).status.ok());
    EXPECT_EQ(OpenAndList(disk), Without(task.uid));
    EXPECT_TRUE(Check(*disk).status.ok()) << "after the server was there";
  }
}

TEST_F(DataFolder, ATasksResultIsLostAloneWhereThatIsDamaged) {
  const auto disk = std::make_shared<FakeDisk>();
  {
    StoreFixture fixture(SmallStoreOn(disk));
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
    const Lease lease = fixture.Claim().at(0).lease;
    fixture.Log(lease, std::string(2'000, 'l'));
    ASSERT_TRUE(fixture.Finish(lease, Verdict::kSucceeded).ok());
    // Until the segment has an index.
    const auto has_index = [&] {
      const std::vector<std::string> names = *disk->List();
      return absl::c_linear_search(names, IndexName(1));
    };
    for (int i = 0; !has_index(); ++i) {
      ASSERT_LT(i, 1'000);
      ASSERT_TRUE(fixture.Submit(Padded(i)).ok());
    }
  }
  const std::string segment = SegmentName(1);
  std::string contents = disk->Contents(segment);
  const size_t at = contents.rfind("lllll");  // Of what is stored; the report stands before it.
  contents[at] = 'X';
  disk->SetContents(segment, contents);
  const Said checked = Check(*disk);
  EXPECT_TRUE(absl::IsDataLoss(checked.status));
  EXPECT_THAT(checked.lines, Contains(AllOf(HasSubstr(segment), HasSubstr("lost: the result of "),
                                            HasSubstr("queues/default/tasks/a"))));
  EXPECT_TRUE(Repair(*disk).status.ok());
  StoreFixture fixture(SmallStoreOn(disk));
  EXPECT_EQ(fixture.State("a"), v1::TASK_STATE_SUCCEEDED);
  const EventBatch events = *fixture.Events("a").value();
  EXPECT_EQ(events.events.size(), 4u) << "they were said one by one before";
  EXPECT_TRUE(events.ended);
}

TEST_F(DataFolder, WithoutItsIndexATaskThatIsLostIsKnownByItsChanges) {
  const auto disk = copy();
  const Added task = SomeTask(*disk, first(), 0);  // The first of all: it has ended.
  ASSERT_EQ(states().at(task.uid), v1::TASK_STATE_SUCCEEDED);
  ASSERT_TRUE(disk->Remove(IndexOf(first())).ok());
  Flip(*disk, first(), task.offset);
  const Said checked = Check(*disk);
  EXPECT_TRUE(absl::IsDataLoss(checked.status));
  EXPECT_THAT(checked.text(), HasSubstr("what was there is not known"));
  EXPECT_THAT(checked.text(),
              HasSubstr("lost: a task whose name is not known (number 1), which was SUCCEEDED"));
  ASSERT_TRUE(Repair(*disk).status.ok());
  EXPECT_EQ(OpenAndList(disk), Without(task.uid));
}

TEST_F(DataFolder, WhatAChangeSaidIsTakenFromTheIndex) {
  const auto disk = copy();
  // A move to RUNNING: it names the worker.
  const size_t move = disk->Contents(first()).find("worker-1");
  ASSERT_NE(move, std::string::npos);
  Flip(*disk, first(), move);
  EXPECT_TRUE(absl::IsDataLoss(Check(*disk).status));
  ASSERT_TRUE(Repair(*disk).status.ok());
  EXPECT_EQ(OpenAndList(disk), states());
}

TEST_F(DataFolder, AHeaderIsNotNeeded) {
  for (const std::string& segment : {first(), middle(), last()}) {
    SCOPED_TRACE(segment);
    const auto disk = copy();
    Flip(*disk, segment, 20);
    const Said checked = Check(*disk);
    EXPECT_TRUE(absl::IsDataLoss(checked.status));
    EXPECT_THAT(checked.text(), HasSubstr(segment + ", byte 0: the header is damaged"));
    EXPECT_THAT(checked.text(), Not(HasSubstr("lost: ")));
    ASSERT_TRUE(Repair(*disk).status.ok());
    EXPECT_EQ(OpenAndList(disk), states());
  }
}

TEST_F(DataFolder, ADamagedIndexIsMovedAside) {
  const auto disk = copy();
  Flip(*disk, IndexOf(middle()), 100);
  const Said checked = Check(*disk);
  EXPECT_TRUE(absl::IsDataLoss(checked.status));
  EXPECT_THAT(checked.text(),
              HasSubstr(IndexOf(middle()) + ", byte 0: the index is not whole; nothing is lost"));
  const Said repaired = Repair(*disk);
  ASSERT_TRUE(repaired.status.ok());
  EXPECT_THAT(repaired.lines, Contains("repaired: nothing is lost"));
  EXPECT_THAT(*disk->List(), AllOf(Contains(IndexOf(middle()) + ".damaged"), Contains(first())));
  EXPECT_TRUE(Check(*disk).status.ok());
  EXPECT_EQ(OpenAndList(disk), states());
}

TEST_F(DataFolder, AnIndexThatSaysSomethingElseIsSeen) {
  const auto disk = copy();
  // That of another history, whole in itself.
  auto other = std::make_shared<FakeDisk>();
  {
    StoreFixture fixture(SmallStoreOn(other));
    for (int i = 0; i < kTasks; ++i) ASSERT_TRUE(fixture.Submit(Padded(500 + i)).ok());
  }
  disk->SetContents(IndexName(1), other->Contents(IndexName(1)));
  const Said checked = Check(*disk);
  EXPECT_TRUE(absl::IsDataLoss(checked.status));
  EXPECT_THAT(checked.text(), HasSubstr("the index does not say what " + SegmentName(1)));
  ASSERT_TRUE(Repair(*disk).status.ok());
  EXPECT_EQ(OpenAndList(disk), states());
}

TEST_F(DataFolder, AMissingSegmentTakesItsTasksWithIt) {
  for (const bool with_index : {true, false}) {
    for (const std::string& segment : {first(), middle()}) {
      SCOPED_TRACE(absl::StrCat(segment, with_index ? " with" : " without"));
      const auto disk = copy();
      TaskStates left = states();
      const std::string contents = disk->Contents(segment);
      for (const auto& [uid, state] : states()) {
        if (absl::StrContains(contents, "queues/default/tasks/" + uid.substr(4))) left.erase(uid);
      }
      ASSERT_TRUE(disk->Remove(segment).ok());
      if (!with_index) {
        ASSERT_TRUE(disk->Remove(IndexOf(segment)).ok());
      }
      const Said checked = Check(*disk);
      EXPECT_TRUE(absl::IsDataLoss(checked.status));
      EXPECT_THAT(checked.text(), HasSubstr(segment + ", byte 0: is missing"));
      const Said repaired = Repair(*disk);
      ASSERT_TRUE(repaired.status.ok()) << repaired.status << repaired.text();
      const TaskStates found = OpenAndList(disk);
      for (const auto& [uid, state] : left) EXPECT_TRUE(found.contains(uid)) << uid;
      EXPECT_EQ(found.size(), left.size());
      // That a task had ended may have been said in what is missing. An index has that.
      if (with_index && segment != first()) {
        EXPECT_EQ(found, left);
      }
    }
  }
}

TEST_F(DataFolder, TasksWhoseScriptIsLostAreNamed) {
  auto disk = std::make_shared<FakeDisk>();
  {
    StoreFixture fixture(SmallStoreOn(disk));
    ASSERT_TRUE(fixture.PutScript("scripts/s", "return 'the source'").ok());
    ASSERT_TRUE(fixture.Submit(StoreFixture::Scripted("a", "scripts/s")).ok());
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("b")).ok());
  }
  Flip(*disk, SegmentName(1), disk->Contents(SegmentName(1)).find("the source"));
  const Said checked = Check(*disk);
  EXPECT_THAT(checked.text(),
              HasSubstr("lost: queues/default/tasks/a: it runs version 1 of scripts/s, which is lost"));
  ASSERT_TRUE(Repair(*disk).status.ok());
  EXPECT_EQ(OpenAndList(disk), (TaskStates{{"uid-b", v1::TASK_STATE_QUEUED}}));
}

TEST_F(DataFolder, ATaskThatWasDeletedIsNotThereInPlaceOfItsNamesake) {
  auto disk = std::make_shared<FakeDisk>();
  {
    StoreFixture fixture(SmallStoreOn(disk));
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
    ASSERT_TRUE(fixture.Cancel("a").ok());
    ASSERT_TRUE(fixture.Delete("a").ok());
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("b")).ok());
  }
  const std::string contents = disk->Contents(SegmentName(1));
  // Before what adds it again, and its mark.
  const size_t again = contents.find("queues/default/tasks/a", contents.find("queues/default/tasks/a") + 1);
  ASSERT_NE(again, std::string::npos);
  Flip(*disk, SegmentName(1), again - again % 8 - 24 - 8 - 40 - 8);
  const Said checked = Check(*disk);
  EXPECT_TRUE(absl::IsDataLoss(checked.status)) << checked.text();
  ASSERT_TRUE(Repair(*disk).status.ok());
  EXPECT_EQ(OpenAndList(disk),
            (TaskStates{{"uid-a", v1::TASK_STATE_QUEUED}, {"uid-b", v1::TASK_STATE_QUEUED}}));
}

TEST_F(DataFolder, EveryTaskThatAWipedOrCutOffSegmentTakesAwayIsNamed) {
  for (const std::string& segment : {first(), middle()}) {
    for (const bool cut_off : {false, true}) {
      SCOPED_TRACE(absl::StrCat(segment, cut_off ? " cut off" : " wiped"));
      const auto disk = copy();
      std::string contents = disk->Contents(segment);
      if (cut_off) {
        contents.resize(5000);
      } else {
        contents.replace(5000, 1500, std::string(1500, '\0'));
      }
      disk->SetContents(segment, contents);
      const Said checked = Check(*disk);
      EXPECT_TRUE(absl::IsDataLoss(checked.status));
      ASSERT_TRUE(Repair(*disk).status.ok());
      const TaskStates found = OpenAndList(disk);
      EXPECT_LT(found.size(), states().size());
      for (const auto& [uid, state] : states()) {
        const std::string lost = ": lost: queues/default/tasks/" + uid.substr(4);
        const auto it = found.find(uid);
        if (it == found.end()) {
          EXPECT_THAT(checked.text(), HasSubstr(lost));
        } else {
          EXPECT_THAT(checked.text(), Not(HasSubstr(lost)));
          EXPECT_EQ(it->second, state) << uid << ": the index says what became of it";
        }
      }
    }
  }
}

TEST_F(DataFolder, OneFlippedBitCostsOneTaskAtTheMost) {
  std::mt19937 random(5);
  const std::vector<std::string> names = *disk().List();
  for (const std::string& name : names) {
    if (SegmentNumber(name) == 0 && IndexNumber(name) == 0) continue;
    for (size_t at = 0; at < disk().Contents(name).size(); at += kThinning * (100 + random() % 400)) {
      SCOPED_TRACE(absl::StrCat(name, " ", at));
      const auto disk = copy();
      Flip(*disk, name, at);
      const Said checked = Check(*disk);
      const Said repaired = Repair(*disk);
      ASSERT_TRUE(repaired.status.ok()) << repaired.status << repaired.text();
      const TaskStates found = OpenAndList(disk);
      size_t differ = 0;
      for (const auto& [uid, state] : states()) {
        const auto it = found.find(uid);
        if (it == found.end() || it->second != state) ++differ;
      }
      for (const auto& [uid, state] : found) EXPECT_TRUE(states().contains(uid)) << uid;
      // What the last mark does not cover may be the remains of a write.
      EXPECT_LE(differ, checked.status.ok() && name != last() ? 0u : 1u) << checked.text();
      ASSERT_FALSE(HasFailure()) << checked.text();
    }
  }
}

TEST_F(DataFolder, ARepairThatIsInterruptedAnywhereLosesNothing) {
  // Of damage that is repaired by writing all anew.
  const Added task = SomeTask(disk(), middle());
  Flip(disk(), middle(), task.offset);
  const TaskStates expected = Without(task.uid);
  const auto whole = copy();
  const int before = whole->operations();
  ASSERT_TRUE(Repair(*whole).status.ok());
  const int operations = whole->operations() - before;
  ASSERT_GT(operations, 20);
  for (int failing = 0; failing < operations; failing += kThinning) {
    for (uint64_t seed = 0; seed < 6; ++seed) {
      SCOPED_TRACE(absl::StrCat("operation ", failing, ", seed ", seed));
      const auto disk = copy();
      std::mt19937_64 random(seed);
      disk->FailAfter(failing, absl::UnavailableError("no power"));
      EXPECT_TRUE(absl::IsUnavailable(Repair(*disk).status));
      disk->LosePower(random);
      // What a server does that is started now must not lose anything, either.
      if (seed % 2 == 0) {
        StoreOptions options;
        options.clock = [] { return clock::Moment{{}, absl::FromUnixSeconds(1'000'000'000)}; };
        auto journal = LogJournal::Open(disk.get(), {.segment_bytes = kSmallSegment});
        if (journal.ok()) {
          (void)MemoryStore::Open(options, *std::move(journal));
        } else {
          EXPECT_THAT(std::string(journal.status().message()), HasSubstr("--repair_data"));
        }
      }
      const Said again = Repair(*disk);
      ASSERT_TRUE(again.status.ok()) << again.status << again.text();
      ASSERT_EQ(OpenAndList(disk), expected);
    }
  }
}

TEST_F(DataFolder, ARepairOnAFullDiskChangesNothing) {
  Flip(disk(), middle(), SomeTask(disk(), middle()).offset);
  const auto disk = copy();
  uint64_t used = 0;
  const std::vector<std::string> names = *disk->List();
  for (const std::string& name : names) used += disk->Contents(name).size();
  disk->SetCapacity(used + kSmallSegment);
  const Said repaired = Repair(*disk);
  EXPECT_TRUE(absl::IsResourceExhausted(repaired.status)) << repaired.status;
  EXPECT_THAT(std::string(repaired.status.message()), HasSubstr("nothing was changed"));
  EXPECT_EQ(*disk->List(), names);
}

TEST_F(DataFolder, AFolderThatWasRepairedCanBeCompactedAndRepairedAgain) {
  const auto disk = copy();
  const Added task = SomeTask(*disk, first());
  Flip(*disk, first(), task.offset);
  ASSERT_TRUE(Repair(*disk).status.ok());
  TaskStates expected = Without(task.uid);
  {
    StoreFixture fixture(SmallStoreOn(disk));
    for (int i = 0; i < 300; ++i) {
      ASSERT_TRUE(fixture.Submit(Padded(2000 + i)).ok());
      ASSERT_TRUE(fixture.Cancel(Id(2000 + i)).ok());
      ASSERT_TRUE(fixture.Delete(Id(2000 + i)).ok());
      fixture.Advance(absl::ZeroDuration());
    }
    EXPECT_EQ(StatesOf(fixture), expected);
  }
  EXPECT_TRUE(Check(*disk).status.ok()) << Check(*disk).text();
  std::vector<std::string> names = *disk->List();
  std::erase_if(names, [](const std::string& name) { return SegmentNumber(name) == 0; });
  Flip(*disk, names[1], 20);
  ASSERT_TRUE(Repair(*disk).status.ok());
  EXPECT_EQ(OpenAndList(disk), expected);
}

}  // namespace
}  // namespace errand::store::log
