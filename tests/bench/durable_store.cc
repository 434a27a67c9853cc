#include "tests/bench/durable_store.h"

#include <utility>

#include "server/store/log/log_journal.h"
#include "tests/bench/failure.h"

namespace errand::bench {

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

}  // namespace errand::bench
