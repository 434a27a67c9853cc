// What a damaged disk may make of a store: a libFuzzer entry that changes bytes and files of a whole folder,
// which folder_fuzz_test.cc calls with random bytes, too. The folder must then be refused, or give tasks that
// were there, each in a state that it was in, and a store that goes on. Input: what to do (u8), where (u32),
// and a byte for it, again and again.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/store/log/little_endian.h"
#include "server/store/log/log_journal.h"
#include "server/store/memory/memory_store.h"
#include "tests/store/dump.h"
#include "tests/store/log/fake_disk.h"
#include "tests/store/sample_history.h"

namespace errand::store {
namespace {

void Check(bool holds, int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "folder_fuzz.cc:%d does not hold\n", line);
  std::abort();
}

struct FolderFile {
  std::string name;
  std::string contents;
};

// Stores on one disk, and why it is refused if it is.
class Opener {
 public:
  explicit Opener(log::FakeDisk* disk) : disk_(disk) {}

  const absl::Status& status() const { return status_; }
  StoreUnderTest Open(const StoreOptions& options) {
    StoreUnderTest opened;
    StoreOptions with = options;
    with.min_stored_past_bytes = 0;
    auto journal = log::LogJournal::Open(disk_, {.segment_bytes = SampleHistory::kSegmentBytes});
    status_ = journal.status();
    if (!journal.ok()) return opened;
    auto store = MemoryStore::Open(with, *std::move(journal));
    status_ = store.status();
    if (!store.ok()) return opened;
    opened.run_alarms = [store = store->get()] { store->RunAlarms(); };
    opened.reopen = [this, options] { return Open(options); };
    opened.store = *std::move(store);
    return opened;
  }

 private:
  log::FakeDisk* const disk_;
  absl::Status status_;
};

// What a task was asked to do, and what had come of it.
std::string Version(const v1::Task& task, v1::TaskState state) {
  v1::Task version;
  version.set_name(task.name());
  version.set_uid(task.uid());
  version.set_state(state);
  if (task.has_lua()) *version.mutable_lua() = task.lua();
  if (task.has_email()) *version.mutable_email() = task.email();
  version.set_priority(task.priority());
  version.set_ordering_key(task.ordering_key());
  version.set_attempt_count(task.attempt_count());
  if (task.has_result()) *version.mutable_result() = task.result();
  return version.SerializeAsString();
}

// A folder, and every version of every task that there was while it came to be.
struct Whole {
  Whole() {
    log::FakeDisk disk;
    Opener opener(&disk);
    {
      StoreFixture fixture([&](const StoreOptions& options) { return opener.Open(options); });
      SampleHistory history(&fixture);
      while (!history.done()) {
        Check(history.Next());
        const auto tasks = ListAll(fixture);
        Check(tasks.ok());
        for (const v1::Task& task : *tasks) {
          versions.insert(Version(task, task.state()));
          if (task.state() != v1::TASK_STATE_RUNNING) continue;
          // A start ends its attempt.
          versions.insert(Version(task, v1::TASK_STATE_QUEUED));
          versions.insert(Version(task, v1::TASK_STATE_CANCELLED));
        }
      }
    }
    const std::vector<std::string> names = *disk.List();
    for (const std::string& name : names) files.push_back({name, disk.Contents(name)});
  }

  std::set<std::string> versions;
  std::vector<FolderFile> files;
};

void Damage(absl::string_view input, std::vector<FolderFile>& files) {
  constexpr size_t kChangeBytes = 6;
  for (; input.size() >= kChangeBytes && !files.empty(); input.remove_prefix(kChangeBytes)) {
    const auto at = log::GetLittleEndian<uint32_t>(input.data() + 1);
    FolderFile& file = files[at % files.size()];
    const size_t where = file.contents.empty() ? 0 : at / files.size() % file.contents.size();
    const char byte = input[5];
    switch (static_cast<uint8_t>(input[0]) % 16) {
      case 0:
        files.erase(files.begin() + (&file - files.data()));
        break;
      case 1:
        file.contents.resize(where);
        break;
      case 2:
        std::swap(file.contents, files[static_cast<uint8_t>(byte) % files.size()].contents);
        break;
      case 3:
        for (size_t i = where; i < std::min(where + log::FakeDisk::kSectorBytes, file.contents.size()); ++i) {
          file.contents[i] = '\0';
        }
        break;
      default:
        if (!file.contents.empty()) file.contents[where] = byte;
        break;
    }
  }
}

// Whether the store still keeps anything: what is damaged may be seen when it is read.
bool Works(StoreFixture& fixture) {
  const auto submitted = fixture.Submit(StoreFixture::Lua("new"));
  const auto claimed = fixture.Claim(20);
  for (const ClaimedTask& task : claimed) {
    const absl::Status finished = fixture.Finish(task.lease, Verdict::kSucceeded);
    Check(finished.ok() || absl::IsUnavailable(finished));
  }
  fixture.Advance(absl::Seconds(1));
  Check(submitted.ok() || absl::IsUnavailable(submitted.status()));
  return fixture.GetQueue("queues/default").ok();
}

void OpenDamagedFolder(absl::string_view input) {
  static const auto& whole = *new Whole;
  std::vector<FolderFile> files = whole.files;
  Damage(input, files);
  log::FakeDisk disk;
  for (FolderFile& file : files) disk.SetContents(file.name, std::move(file.contents));
  Opener opener(&disk);
  StoreFixture fixture(AfterSampleHistory([&](const StoreOptions& options) { return opener.Open(options); }));
  if (!opener.status().ok()) {
    Check(absl::IsDataLoss(opener.status()) || absl::IsFailedPrecondition(opener.status()));
    return;
  }
  const auto tasks = ListAll(fixture);
  if (!tasks.ok()) return Check(absl::IsUnavailable(tasks.status()));
  for (const v1::Task& task : *tasks) Check(whole.versions.contains(Version(task, task.state())));
  if (!Works(fixture)) return;
  const auto before = ListAll(fixture);
  fixture.Reopen();
  Check(opener.status().ok());
  const auto after = ListAll(fixture);
  Check(before.ok() && after.ok() && before->size() == after->size());
  for (size_t i = 0; i < before->size(); ++i) {
    Check((*before)[i].SerializeAsString() == (*after)[i].SerializeAsString());
  }
}

}  // namespace
}  // namespace errand::store

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  errand::store::OpenDamagedFolder({reinterpret_cast<const char*>(data), size});
  return 0;
}
