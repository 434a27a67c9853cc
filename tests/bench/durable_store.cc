#include "tests/bench/durable_store.h"

#include <cstdint>
#include <filesystem>
#include <utility>

#include "absl/time/clock.h"
#include "server/store/log/log_journal.h"
#include "server/store/log/segment_files.h"
#include "tests/bench/failure.h"

namespace errand::bench {
namespace {

constexpr absl::Duration kMaxWarmUp = absl::Minutes(1);
// How often to look whether the log is warm.
constexpr absl::Duration kLook = absl::Milliseconds(100);

bool UsesFilesAgain(const std::string& folder) {
  uint64_t oldest = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const uint64_t number = store::log::SegmentNumber(entry.path().filename().string());
    if (number != 0 && (oldest == 0 || number < oldest)) oldest = number;
  }
  // Once the second one is a spare there is always one to go on with.
  return oldest > 2;
}

}  // namespace

DurableStore::DurableStore(const std::string& folder, store::StoreOptions options) {
  auto locked = store::log::PosixFileSystem::OpenFolder(folder);
  if (!locked.ok()) Fail(locked.status().message());
  folder_ = *std::move(locked);
  auto journal = store::log::LogJournal::Open(folder_.get(), {});
  if (!journal.ok()) Fail(journal.status().message());
  auto opened = store::MemoryStore::Open(std::move(options), *std::move(journal));
  if (!opened.ok()) Fail(opened.status().message());
  store_ = *std::move(opened);
}

void WarmUp(const DurableLoad& load, const std::string& folder, absl::FunctionRef<void(absl::Duration)> run) {
  const absl::Time give_up = absl::Now() + kMaxWarmUp;
  run(load.warm_up);
  while (!UsesFilesAgain(folder) && absl::Now() < give_up) run(kLook);
}

}  // namespace errand::bench
