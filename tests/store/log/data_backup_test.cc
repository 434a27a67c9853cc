// Copies of a folder that a server is using.
#include "server/store/log/data_backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "tests/store/log/data_folder.h"

namespace errand::store::log {
namespace {

using ::testing::HasSubstr;

absl::Status Backup(const FileSystem& from, FakeDisk& to) {
  return BackupData(from, to, [](absl::string_view) {});
}

// Calls something before a file is opened to be read.
class MeddlingDisk final : public FileSystem {
 public:
  MeddlingDisk(FakeDisk* disk, int before, std::function<void()> meddle)
      : disk_(*disk), before_(before), meddle_(std::move(meddle)) {}

  int opened() const { return opened_; }

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& name) override { return disk_.Open(name); }
  absl::StatusOr<std::unique_ptr<File>> OpenToRead(const std::string& name) const override {
    if (opened_++ == before_) meddle_();
    return disk_.OpenToRead(name);
  }
  absl::StatusOr<std::vector<std::string>> List() const override { return disk_.List(); }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return disk_.Rename(from, to);
  }
  absl::Status Remove(const std::string& name) override { return disk_.Remove(name); }
  absl::Status SyncFolder() override { return disk_.SyncFolder(); }
  absl::StatusOr<uint64_t> FreeBytes() const override { return disk_.FreeBytes(); }
  absl::Status CheckInPlace() const override { return disk_.CheckInPlace(); }

 private:
  FakeDisk& disk_;
  const int before_;
  const std::function<void()> meddle_;
  mutable int opened_ = 0;
};

// Work that leaves nothing but dropped segments behind.
void Churn(StoreFixture& fixture, const std::string& prefix, int tasks) {
  for (int i = 0; i < tasks; ++i) {
    const std::string id = absl::StrCat(prefix, i);
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(id)).ok());
    ASSERT_TRUE(fixture.Cancel(id).ok());
    ASSERT_TRUE(fixture.Delete(id).ok());
    fixture.Advance(absl::ZeroDuration());
  }
}

TEST(DataBackup, HasWhatTheFolderHas) {
  auto disk = std::make_shared<FakeDisk>();
  StoreFixture fixture(SmallStoreOn(disk));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(absl::StrCat(i))).ok());
  auto copy = std::make_shared<FakeDisk>();
  ASSERT_TRUE(Backup(*disk, *copy).ok());
  EXPECT_EQ(OpenAndList(copy), StatesOf(fixture));
}

TEST(DataBackup, IsNotMadeInAFolderThatHasSomething) {
  auto disk = std::make_shared<FakeDisk>();
  StoreFixture fixture(SmallStoreOn(disk));
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  FakeDisk copy;
  copy.SetContents("a", "b");
  EXPECT_TRUE(absl::IsFailedPrecondition(Backup(*disk, copy)));
  FakeDisk nothing;
  FakeDisk empty;
  EXPECT_TRUE(absl::IsNotFound(Backup(nothing, empty)));
}

TEST(DataBackup, OfADamagedFolderIsNotKept) {
  auto disk = std::make_shared<FakeDisk>();
  {
    StoreFixture fixture(SmallStoreOn(disk));
    for (int i = 0; i < 80; ++i) ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(absl::StrCat(i))).ok());
  }
  for (const uint64_t segment : {1, 2, 3}) {
    for (const size_t at : {20, 4200}) {
      const auto damaged = disk->Copy();
      Flip(*damaged, SegmentName(segment), at);
      FakeDisk copy;
      const absl::Status refused = Backup(*damaged, copy);
      EXPECT_TRUE(absl::IsDataLoss(refused)) << refused;
      EXPECT_THAT(std::string(refused.message()), HasSubstr("--check_data"));
      EXPECT_TRUE(copy.List()->empty());
    }
  }
  ASSERT_TRUE(disk->Remove(SegmentName(2)).ok());
  FakeDisk copy;
  EXPECT_TRUE(absl::IsDataLoss(Backup(*disk, copy)));
}

TEST(DataBackup, IsWholeWhateverTheServerDoesMeanwhile) {
  for (int before = 0;; ++before) {
    SCOPED_TRACE(before);
    auto disk = std::make_shared<FakeDisk>();
    StoreFixture fixture(SmallStoreOn(disk));
    for (int i = 0; i < 10; ++i)
      ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(absl::StrCat("kept-", i))).ok());
    Churn(fixture, "before-", 60);
    const TaskStates acknowledged = StatesOf(fixture);
    const MeddlingDisk meddling(disk.get(), before, [&] {
      ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("meanwhile")).ok());
      Churn(fixture, "meanwhile-", 60);
    });
    auto copy = std::make_shared<FakeDisk>();
    const absl::Status copied = Backup(meddling, *copy);
    ASSERT_TRUE(copied.ok()) << copied;
    const TaskStates found = OpenAndList(copy);
    for (const auto& [uid, state] : acknowledged) EXPECT_TRUE(found.contains(uid)) << uid;
    if (meddling.opened() <= before) break;  // Nothing was done.
  }
}

TEST(DataBackup, HasAllThatWasAcknowledgedBeforeIt) {
  auto disk = std::make_shared<FakeDisk>();
  StoreFixture fixture(SmallStoreOn(disk));
  absl::Mutex mu;
  std::set<std::string> acknowledged;
  std::atomic<bool> over = false;
  std::thread client([&] {
    for (int i = 0; !over; ++i) {
      if (i < 200) {
        const std::string id = absl::StrCat("kept-", i);
        ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(id)).ok());
        absl::MutexLock lock(&mu);
        acknowledged.insert("uid-" + id);
      }
      Churn(fixture, absl::StrCat("churn-", i, "-"), 5);
    }
  });
  for (int round = 0; round < 25; ++round) {
    SCOPED_TRACE(round);
    std::set<std::string> expected;
    {
      absl::MutexLock lock(&mu);
      const auto grown = [&] { return acknowledged.size() > static_cast<size_t>(round); };
      mu.Await(absl::Condition(&grown));
      expected = acknowledged;
    }
    auto copy = std::make_shared<FakeDisk>();
    const absl::Status copied = Backup(*disk, *copy);
    EXPECT_TRUE(copied.ok()) << copied;
    if (!copied.ok()) break;
    const TaskStates found = OpenAndList(copy);
    for (const std::string& uid : expected) EXPECT_TRUE(found.contains(uid)) << uid;
  }
  over = true;
  client.join();
}

}  // namespace
}  // namespace errand::store::log
