// The folders that are kept of each version of the format, log/version_N: whether a server of today finds in
// them what they say.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/store/log/posix_file_system.h"
#include "server/store/log/record_format.h"
#include "tests/paths/paths.h"
#include "tests/store/dump.h"
#include "tests/store/log_store_factory.h"
#include "tests/store/sample_history.h"

namespace errand::store {
namespace {

namespace fs = std::filesystem;

constexpr const char* kContents = "contents.txt";
constexpr const char* kHeading =
    "What is in this folder when a server has started: tasks with their events, queues, scripts, and what "
    "request\n"
    "ids stand for, as Protocol Buffers' text. Made by upgrade_test.cc.\n";

fs::path FolderOf(uint32_t version) {
  return fs::path(kSourcePath) / "tests/store/log" / absl::StrCat("version_", version);
}

StoreFactory InFolder(const fs::path& folder) {
  return [folder](const StoreOptions& options) {
    auto opened = log::PosixFileSystem::OpenFolder(folder.string());
    EXPECT_TRUE(opened.ok()) << opened.status();
    return OpenLogStore(*std::move(opened), options, {.segment_bytes = SampleHistory::kSegmentBytes});
  };
}

bool IsPartOfLog(const fs::path& file) {
  return file.extension() == ".segment" || file.extension() == ".index";
}

// A copy of a folder, for a store to work in.
class Copy {
 public:
  explicit Copy(const fs::path& folder)
      : path_(fs::path(testing::TempDir()) / absl::StrCat("upgrade_", getpid())) {
    fs::remove_all(path_);
    fs::create_directory(path_);
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (IsPartOfLog(entry.path())) fs::copy_file(entry.path(), path_ / entry.path().filename());
    }
  }
  ~Copy() { fs::remove_all(path_); }

  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;

  const fs::path& path() const { return path_; }

 private:
  const fs::path path_;
};

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string Describe(StoreFixture& fixture) {
  const auto dump = Dump(fixture);
  EXPECT_TRUE(dump.ok()) << dump.status();
  return absl::StrCat(kHeading, dump.value_or(""), SampleHistory::Requests(fixture));
}

TEST(Upgrade, AFolderOfEachVersionHoldsWhatItSays) {
  for (uint32_t version = 1; version <= log::kFormatVersion; ++version) {
    SCOPED_TRACE(absl::StrCat("version ", version));
    ASSERT_TRUE(fs::exists(FolderOf(version) / kContents));
    const Copy copy(FolderOf(version));
    StoreFixture fixture(AfterSampleHistory(InFolder(copy.path())));
    EXPECT_EQ(Describe(fixture), ReadFile(FolderOf(version) / kContents));
    // And goes on from there.
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("new")).ok());
    while (!fixture.RunOne().empty()) {
    }
    fixture.Reopen();
    EXPECT_EQ(fixture.State("new"), v1::TASK_STATE_SUCCEEDED);
    EXPECT_EQ(fixture.State("delayed"), v1::TASK_STATE_SCHEDULED);
  }
}

// Not a test: makes the folder of this version, in place of the one that is there. FORMAT.md says how to call
// it.
TEST(Upgrade, DISABLED_MakesTheFolderOfThisVersion) {
  const fs::path folder = FolderOf(log::kFormatVersion);
  fs::remove_all(folder);
  {
    StoreFixture fixture(InFolder(folder));
    SampleHistory history(&fixture);
    while (!history.done()) ASSERT_TRUE(history.Next());
  }
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!IsPartOfLog(entry.path())) fs::remove(entry.path());
  }
  const Copy copy(folder);
  StoreFixture fixture(AfterSampleHistory(InFolder(copy.path())));
  std::ofstream(folder / kContents, std::ios::binary) << Describe(fixture);
}

}  // namespace
}  // namespace errand::store
