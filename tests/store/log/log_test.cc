// The log's files: what is appended, what is there after a failure, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "server/store/log/committer.h"
#include "server/store/log/crc32c.h"
#include "server/store/log/end_file.h"
#include "server/store/log/log_reader.h"
#include "server/store/log/log_writer.h"
#include "server/store/log/posix_file_system.h"
#include "server/store/log/segment_reader.h"
#include "tests/store/log/fake_disk.h"
#include "tests/store/log/thinning.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace errand::store::log {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kSegmentBytes = 16 << 10;  // Full after a few groups.
constexpr uint8_t kType = 7;

// A log on a disk, as a server has it from its start to its end.
class Log {
 public:
  static absl::StatusOr<std::unique_ptr<Log>> Open(FileSystem* disk) {
    std::unique_ptr<Log> log(new Log);
    auto files = SegmentFiles::Open(disk, {.segment_bytes = kSegmentBytes});
    if (!files.ok()) return files.status();
    log->files_ = *std::move(files);
    absl::StatusOr<LogEnd> end = ReadLog(*log->files_, [&](Place, const Record& record, uint64_t) {
      EXPECT_EQ(record.type, kType);
      log->read_.emplace_back(record.body);
      return absl::OkStatus();
    });
    if (!end.ok()) return end.status();
    if (end->not_begun != 0) {
      EXPECT_TRUE(log->files_->Release(end->not_begun).ok());
    }
    if (absl::Status started = log->files_->Start(end->end); !started.ok()) return started;
    log->end_ = *end;
    log->committer_ = std::make_unique<Committer>(log->files_.get(), end->end);
    log->writer_ = std::make_unique<LogWriter>(log->committer_.get(), end->next_segment, kSegmentBytes);
    return log;
  }

  const std::vector<std::string>& read() const { return read_; }
  const LogEnd& end() const { return end_; }
  Committer& committer() { return *committer_; }

  // Where the first of them stands.
  Place Append(const std::vector<std::string>& bodies) {
    Place first;
    for (const std::string& body : bodies) {
      const Place place = writer_->Add(kType, body);
      if (first == Place()) first = place;
    }
    writer_->EndGroup();
    return first;
  }

  absl::Status Sync() {
    absl::Notification done;
    absl::Status status;
    committer_->WhenSynced([&](const absl::Status& synced) {
      status = synced;
      done.Notify();
    });
    done.WaitForNotification();
    return status;
  }

 private:
  Log() = default;

  std::unique_ptr<SegmentFiles> files_;
  std::vector<std::string> read_;
  LogEnd end_;
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<LogWriter> writer_;
};

std::vector<std::string> ReadAll(FileSystem* disk) {
  const auto log = Log::Open(disk);
  EXPECT_TRUE(log.ok()) << log.status();
  return log.ok() ? (*log)->read() : std::vector<std::string>{"unreadable"};
}

TEST(Crc32c, IsCastagnolis) {
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c("6789", Crc32c("12345")), 0xE3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720, appendix B.4.
}

TEST(RecordFormat, ARecordIsKnownByItsPlaceOnly) {
  const Place place{3, 4096};
  std::string bytes;
  AppendRecord({.type = kType, .continues = true, .body = "body", .attachment = {}}, place, bytes);
  EXPECT_EQ(bytes.size(), RecordBytes(4));
  Record record;
  ASSERT_EQ(ParseRecord(bytes, place, record), Parsed::kRecord);
  EXPECT_EQ(record.type, kType);
  EXPECT_TRUE(record.continues);
  EXPECT_EQ(record.body, "body");
  EXPECT_EQ(ParseRecord(bytes, {4, 4096}, record), Parsed::kNothing);
  EXPECT_EQ(ParseRecord(bytes, {3, 4104}, record), Parsed::kInvalid);
  EXPECT_EQ(ParseRecord(bytes, {3 + (uint64_t{1} << 32), 4096}, record), Parsed::kInvalid);
  EXPECT_EQ(ParseRecord(bytes.substr(0, 24), place, record), Parsed::kCutOff);
  EXPECT_EQ(ParseRecord(std::string(64, '\0'), place, record), Parsed::kNothing);
}

TEST(RecordFormat, AnyFlippedBitIsSeen) {
  const Place place{1, 4096};
  std::string bytes;
  AppendRecord({.type = kType, .continues = false, .body = "some body", .attachment = "attached"}, place,
               bytes);
  for (size_t bit = 0; bit < (kRecordHeaderBytes + 17) * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    Record record;
    EXPECT_NE(ParseRecord(flipped, place, record), Parsed::kRecord) << bit;
  }
}

TEST(LogTest, WhatIsAppendedIsReadInOrderOverManySegments) {
  FakeDisk disk;
  std::vector<std::string> expected;
  for (int run = 0; run < 3; ++run) {
    auto log = Log::Open(&disk);
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_EQ((*log)->read(), expected);
    EXPECT_FALSE((*log)->end().torn);
    for (int i = 0; i < 100; ++i) {
      expected.push_back(absl::StrCat("run ", run, " ", i, std::string(500, 'x')));
      (*log)->Append({expected.back()});
    }
    EXPECT_TRUE((*log)->Sync().ok());
  }
  EXPECT_EQ(ReadAll(&disk), expected);
}

TEST(LogTest, WhatNobodyWaitsForIsWrittenWhenTheLogIsClosed) {
  FakeDisk disk;
  (*Log::Open(&disk))->Append({"a", "b"});
  EXPECT_THAT(ReadAll(&disk), ElementsAre("a", "b"));
}

TEST(LogTest, WhatNobodyWaitsForIsSyncedSoon) {
  FakeDisk disk;
  auto log = *Log::Open(&disk);
  log->Append({"a"});
  absl::Notification written;
  log->committer().WhenWritten([&](const absl::Status& status) {
    EXPECT_TRUE(status.ok());
    written.Notify();
  });
  written.WaitForNotification();
  disk.WaitUntilSynced(SegmentName(1));
  std::mt19937_64 random(1);
  disk.LosePower(random);
  EXPECT_THAT(ReadAll(&disk), ElementsAre("a"));
}

TEST(LogTest, AfterAFailureNothingIsWrittenAndEverybodyIsTold) {
  FakeDisk disk;
  auto log = *Log::Open(&disk);
  log->Append({"a"});
  ASSERT_TRUE(log->Sync().ok());
  disk.WaitForFile(".spare");                              // The next operations are the committer's.
  disk.FailAfter(1, absl::UnavailableError("I/O error"));  // The sync; the write before it goes well.
  log->Append({"b"});
  EXPECT_THAT(std::string(log->Sync().message()), HasSubstr("I/O error"));
  const int operations = disk.operations();
  log->Append({"c"});
  EXPECT_TRUE(absl::IsUnavailable(log->Sync()));
  EXPECT_EQ(log->committer().status().message(), "I/O error");
  EXPECT_EQ(disk.operations(), operations) << "a sync that failed must not be tried again";
}

TEST(LogTest, ARecycledFilesOldRecordsAreNotReadAgain) {
  FakeDisk disk;
  {
    auto files = *SegmentFiles::Open(&disk, {.segment_bytes = kSegmentBytes});
    ASSERT_TRUE(files->Start(Place()).ok());
    {
      Committer committer(files.get(), Place());
      LogWriter writer(&committer, 1, kSegmentBytes);
      for (int i = 0; i < 40; ++i) {
        writer.Add(kType, "old");
        writer.EndGroup();
      }
    }
    ASSERT_TRUE(files->Release(1).ok());
    Committer committer(files.get(), Place());
    LogWriter writer(&committer, 2, kSegmentBytes);
    writer.Add(kType, "new");
    writer.EndGroup();
  }
  EXPECT_THAT(ReadAll(&disk), ElementsAre("new"));
}

TEST(LogTest, ARecycledFileDoesNotComeBackUnderItsFormerName) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    FakeDisk disk;
    {
      auto log = *Log::Open(&disk);
      log->Append({"old"});
      ASSERT_TRUE(log->Sync().ok());
      log->Append({"with a mark"});
      ASSERT_TRUE(log->Sync().ok());
    }
    (*Log::Open(&disk))->Append({"in the second"});
    const Place end = (*Log::Open(&disk))->end().end;
    {
      auto files = *SegmentFiles::Open(&disk, {.segment_bytes = kSegmentBytes});
      ASSERT_TRUE(files->Release(1).ok());
      disk.FailAfter(3, absl::UnavailableError("no power"));  // Behind its new header, the folder's sync.
      ASSERT_FALSE(files->Begin(3, end).ok());
    }
    std::mt19937_64 random(seed);
    disk.LosePower(random);
    const auto log = Log::Open(&disk);
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_THAT((*log)->read(), ElementsAre("in the second"));
  }
}

TEST(LogTest, DamageToWhatWasSyncedIsRefusedWithItsPlace) {
  FakeDisk disk;
  {
    auto log = *Log::Open(&disk);
    for (const char* body : {"first", "second", "third"}) {
      log->Append({body});
      ASSERT_TRUE(log->Sync().ok());
    }
  }
  const std::string whole = disk.Contents(SegmentName(1));
  const size_t second = whole.find("second");
  const size_t third = whole.find("third");
  for (const size_t at :
       {second, second - kRecordHeaderBytes, second - kRecordHeaderBytes + 12, third - 40}) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    disk.SetContents(SegmentName(1), damaged);
    const auto log = Log::Open(&disk);
    const size_t place = at > second + 6 ? third - kRecordHeaderBytes - kSyncMarkBytes  // The last mark.
                                         : second - kRecordHeaderBytes;
    EXPECT_EQ(log.status().code(), absl::StatusCode::kDataLoss) << at;
    EXPECT_THAT(log.status().message(),
                HasSubstr(absl::StrCat(SegmentName(1), " is damaged at byte ", place)));
  }
}

TEST(LogTest, WithoutEndAndMarksNobodyCanTellThatTheLastGroupWasSynced) {
  FakeDisk disk;
  {
    auto log = *Log::Open(&disk);
    log->Append({"first"});
    ASSERT_TRUE(log->Sync().ok());
    log->Append({"second"});
    ASSERT_TRUE(log->Sync().ok());
  }
  std::string damaged = disk.Contents(SegmentName(1));
  damaged[damaged.find("second")] = 'S';
  disk.SetContents(SegmentName(1), damaged);
  EXPECT_TRUE(absl::IsDataLoss(Log::Open(&disk).status()));
  ASSERT_TRUE(disk.Remove(kEndName).ok());
  EXPECT_THAT(ReadAll(&disk), ElementsAre("first"));
}

TEST(LogTest, EndIsWholeWhateverIsTornAsItIsWritten) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    FakeDisk disk;
    std::mt19937_64 random(seed);
    auto end = *EndFile::Open(&disk);
    Place said;
    for (uint64_t number = 1; number < 6; ++number) {
      ASSERT_TRUE(end.Say({number, 4096}).ok());
      said = {number, 4096};
    }
    const int operations = static_cast<int>(seed % 2);  // The write, or its sync.
    disk.FailAfter(operations, absl::UnavailableError("no power"));
    EXPECT_FALSE(end.Say({6, 4096}).ok());
    disk.LosePower(random);
    const absl::StatusOr<Place> read = ReadEnd(disk);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_THAT(*read, AnyOf(said, Place{6, 4096}));
    auto again = *EndFile::Open(&disk);
    ASSERT_TRUE(again.Say({7, 4096}).ok());
    EXPECT_EQ(*ReadEnd(disk), (Place{7, 4096}));
  }
}

// Only the first time: later it needs none.
TEST(LogTest, EndNeedsNoRoomOnAFullDisk) {
  FakeDisk disk;
  auto end = *EndFile::Open(&disk);
  disk.LeaveFree(0);
  EXPECT_TRUE(absl::IsResourceExhausted(end.Say({1, 4096})));
  disk.SetCapacity(UINT64_MAX);
  EXPECT_TRUE(end.Say({1, 4096}).ok());
  disk.LeaveFree(0);
  EXPECT_TRUE(end.Say({2, 4096}).ok());
  EXPECT_EQ(*ReadEnd(disk), (Place{2, 4096}));
}

TEST(LogTest, WhatALargeGroupHasBehindTheSizeOfTheFileIsMissedAfterAKill) {
  FakeDisk disk;
  auto log = *Log::Open(&disk);
  log->Append({"first", std::string(2 * kSegmentBytes, 'x')});
  ASSERT_TRUE(log->Sync().ok());
  const auto killed = disk.Copy();
  const std::string whole = killed->Contents(SegmentName(1));
  ASSERT_GT(whole.size(), kSegmentBytes);
  EXPECT_EQ(ReadAll(killed.get()).size(), 2u);
  const auto damaged = disk.Copy();
  damaged->SetContents(SegmentName(1), whole.substr(0, kSegmentBytes + 8));
  EXPECT_TRUE(absl::IsDataLoss(Log::Open(damaged.get()).status()));
}

TEST(LogTest, ALostEndOfAnEarlierSegmentIsRefused) {
  FakeDisk disk;
  (*Log::Open(&disk))->Append({"first"});
  (*Log::Open(&disk))->Append({"second"});
  std::string damaged = disk.Contents(SegmentName(1));
  std::fill(damaged.begin() + kSegmentHeaderBytes, damaged.end(), '\0');
  disk.SetContents(SegmentName(1), damaged);
  const auto log = Log::Open(&disk);
  EXPECT_EQ(log.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(log.status().message(), HasSubstr("damaged at byte 4096"));
}

TEST(LogTest, AnyDamageIsRefusedOrLeavesAPrefix) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 2'000 / kThinning; ++i) {
    std::string changes((1 + random() % 4) * 5, '\0');
    for (char& byte : changes) byte = static_cast<char>(random());
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(changes.data()), changes.size());
  }
}

TEST(LogTest, AnotherVersionIsRefusedByItsName) {
  FakeDisk disk;
  disk.SetContents(SegmentName(1), FormatSegmentHeader({.version = 99, .number = 1, .previous_end = {}}));
  const auto log = Log::Open(&disk);
  EXPECT_EQ(log.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(log.status().message(), HasSubstr("format version 99"));
}

// A history of appends and syncs on a disk that fails, and the loss of power after it. What was acknowledged
// must be there, in order, groups as a whole, and nothing that was not appended.
class History {
 public:
  explicit History(uint64_t seed) : random_(seed) {}

  // Runs at most `steps`; an operation of the disk fails after `operations`, if that is not negative.
  void Run(FakeDisk& disk, int steps, int operations) {
    auto opened = Log::Open(&disk);
    ASSERT_TRUE(opened.ok()) << opened.status();
    Check((*opened)->read());
    appended_ = (*opened)->read();
    acknowledged_ = appended_.size();
    absl::Mutex mu;
    size_t known = acknowledged_;
    if (operations >= 0) disk.FailAfter(operations, absl::UnavailableError("failure"));
    for (int step = 0; step < steps; ++step) {
      std::vector<std::string> group;
      const uint64_t records = 1 + random_() % 3;
      for (uint64_t i = 0; i < records; ++i) {
        // The first says how many follow.
        group.push_back(absl::StrCat(i == 0 ? records : 0, " ", next_++, std::string(random_() % 3000, 'x')));
      }
      (*opened)->Append(group);
      appended_.insert(appended_.end(), group.begin(), group.end());
      (*opened)->committer().WhenSynced([&, count = appended_.size()](const absl::Status& status) {
        absl::MutexLock lock(&mu);
        if (status.ok()) known = count;
      });
      if (random_() % 2 == 0 && !(*opened)->Sync().ok()) break;
    }
    *opened = nullptr;
    absl::MutexLock lock(&mu);
    acknowledged_ = known;
  }

  // After a loss of power, too.
  void Check(const std::vector<std::string>& read) {
    ASSERT_GE(read.size(), acknowledged_);
    ASSERT_LE(read.size(), appended_.size());
    for (size_t i = 0; i < read.size(); ++i) ASSERT_EQ(read[i], appended_[i]);
    for (size_t i = 0; i < read.size();) {
      size_t records = 0;
      ASSERT_TRUE(absl::SimpleAtoi(read[i].substr(0, 1), &records));
      ASSERT_GT(records, 0u);
      i += records;
      ASSERT_LE(i, read.size()) << "a part of a group";
    }
  }

  std::mt19937_64& random() { return random_; }

 private:
  std::mt19937_64 random_;
  uint64_t next_ = 0;
  std::vector<std::string> appended_;
  size_t acknowledged_ = 0;
};

TEST(LogTest, AShortHistorySurvivesAFailureAndTheLossOfPowerAtEveryOperation) {
  FakeDisk whole;
  History(1).Run(whole, 12, -1);
  const int operations = whole.operations();
  ASSERT_GT(operations, 20);
  for (int failing = 0; failing < operations; failing += kThinning) {
    for (uint64_t seed = 0; seed < 10; ++seed) {
      SCOPED_TRACE(absl::StrCat("operation ", failing, ", seed ", seed));
      FakeDisk disk;
      History history(1);
      history.Run(disk, 12, failing);
      std::mt19937_64 power(seed);
      disk.LosePower(power);
      history.Run(disk, 3, -1);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

// ERRAND_POWER_LOSSES: how many; 100 if it is not set.
TEST(LogTest, LongHistoriesSurviveManyLossesOfPower) {
  const char* const wanted = std::getenv("ERRAND_POWER_LOSSES");
  const int losses = wanted == nullptr ? 100 : std::atoi(wanted);
  std::mt19937_64 random(42);
  for (int done = 0; done < losses;) {
    FakeDisk disk;
    History history(random());
    for (int i = 0; i < 10; ++i, ++done) {
      history.Run(disk, static_cast<int>(random() % 60), static_cast<int>(random() % 200));
      if (testing::Test::HasFatalFailure()) return;
      disk.LosePower(random);
    }
    history.Run(disk, 1, -1);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(PosixFileSystem, ASecondServerIsRefused) {
  const std::string path = testing::TempDir() + "log_lock";
  const auto first = PosixFileSystem::OpenFolder(path);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = PosixFileSystem::OpenFolder(path);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(second.status().message(), HasSubstr("in use by another server"));
}

TEST(PosixFileSystem, SeesThatWhatItUsesIsGoneOrReplaced) {
  const std::string path = testing::TempDir() + absl::StrCat("log_in_place_", getpid());
  const auto disk = *PosixFileSystem::OpenFolder(path);
  const auto file = *disk->Open("a");
  EXPECT_TRUE(disk->CheckInPlace().ok());
  EXPECT_TRUE(file->CheckInPlace().ok());
  ASSERT_TRUE((*disk->Open("b"))->Write(0, "b").ok());
  ASSERT_TRUE(disk->Rename("b", "a").ok());
  EXPECT_TRUE(absl::IsUnavailable(file->CheckInPlace()));
  EXPECT_THAT(std::string(file->CheckInPlace().message()), HasSubstr(path + "/a' was replaced"));
  ASSERT_TRUE(disk->Remove("a").ok());
  EXPECT_THAT(std::string(file->CheckInPlace().message()), HasSubstr(path + "/a' is gone"));
  ASSERT_EQ(std::rename(path.c_str(), (path + ".moved").c_str()), 0);
  EXPECT_THAT(std::string(disk->CheckInPlace().message()), HasSubstr(path + "' is gone"));
  ASSERT_EQ(std::rename((path + ".moved").c_str(), path.c_str()), 0);
  EXPECT_TRUE(disk->CheckInPlace().ok());
  ASSERT_EQ(std::remove((path + "/LOCK").c_str()), 0);
  EXPECT_TRUE(absl::IsUnavailable(disk->CheckInPlace()));
  EXPECT_THAT(std::string(disk->CheckInPlace().message()), HasSubstr("/LOCK' is gone"));
  ASSERT_EQ(rmdir(path.c_str()), 0);
}

TEST(PosixFileSystem, KeepsALog) {
  const std::string path = testing::TempDir() + absl::StrCat("log_", getpid());
  {
    const auto disk = *PosixFileSystem::OpenFolder(path);
    auto log = *Log::Open(disk.get());
    log->Append({"a", "b"});
    EXPECT_TRUE(log->Sync().ok());
  }
  const auto disk = *PosixFileSystem::OpenFolder(path);
  EXPECT_THAT(ReadAll(disk.get()), ElementsAre("a", "b"));
  EXPECT_GT(*disk->FreeBytes(), 0u);
  const std::vector<std::string> names = *disk->List();
  for (const std::string& name : names) EXPECT_TRUE(disk->Remove(name).ok());
  EXPECT_THAT(*disk->List(), IsEmpty());
}

}  // namespace
}  // namespace errand::store::log
