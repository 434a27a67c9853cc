#ifndef ERRAND_TESTS_STORE_LOG_DATA_FOLDER_H_
#define ERRAND_TESTS_STORE_LOG_DATA_FOLDER_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/store/log/data_check.h"
#include "server/store/log/data_repair.h"
#include "server/store/log/segment_files.h"
#include "tests/store/log_store_factory.h"

// Data folders of small segments, as tests of what works on them need.
namespace errand::store::log {

inline constexpr uint64_t kSmallSegment = 8 << 10;

inline StoreFactory SmallStoreOn(std::shared_ptr<FakeDisk> disk) {
  return [disk](const StoreOptions& options) {
    return OpenLogStore(disk, options, {.segment_bytes = kSmallSegment});
  };
}

// The tasks of `queues/default` by id.
using TaskStates = std::map<std::string, v1::TaskState>;

inline TaskStates StatesOf(StoreFixture& fixture) {
  TaskStates states;
  ListRequest request;
  request.queue = "queues/default";
  for (bool more = true; more;) {
    const absl::StatusOr<ListPage> page = fixture.List(request);
    EXPECT_TRUE(page.ok()) << page.status();
    if (!page.ok()) return states;
    for (const v1::Task& task : page->tasks) states[task.uid()] = task.state();
    request.after_order = page->last_order;
    more = page->more;
  }
  return states;
}

// What a server finds that is started on the folder.
inline TaskStates OpenAndList(std::shared_ptr<FakeDisk> disk) {
  StoreFixture fixture(SmallStoreOn(std::move(disk)));
  return StatesOf(fixture);
}

inline void Flip(FakeDisk& disk, const std::string& name, size_t offset) {
  std::string contents = disk.Contents(name);
  contents.at(offset) = static_cast<char>(contents.at(offset) ^ 0x20);
  disk.SetContents(name, std::move(contents));
}

// What one of the tools said and answered.
struct Said {
  absl::Status status;
  std::vector<std::string> lines;

  std::string text() const { return absl::StrJoin(lines, "\n"); }
};

inline Said Check(FakeDisk& disk) {
  Said said;
  said.status = CheckData(disk, [&](absl::string_view line) { said.lines.emplace_back(line); });
  return said;
}

inline Said Repair(FakeDisk& disk) {
  Said said;
  said.status = RepairData(
      disk, [&](absl::string_view line) { said.lines.emplace_back(line); }, kSmallSegment);
  return said;
}

}  // namespace errand::store::log

#endif  // ERRAND_TESTS_STORE_LOG_DATA_FOLDER_H_
