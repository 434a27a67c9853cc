#ifndef ERRAND_TESTS_STORE_LOG_STORE_FACTORY_H_
#define ERRAND_TESTS_STORE_LOG_STORE_FACTORY_H_

#include <memory>
#include <utility>

#include "server/store/log/log_journal.h"
#include "server/store/memory/memory_store.h"
#include "tests/store/conformance/store_fixture.h"
#include "tests/store/log/fake_disk.h"

namespace errand::store {

// A store that keeps its log on `disk`.
inline StoreUnderTest OpenLogStore(std::shared_ptr<log::FakeDisk> disk, const StoreOptions& options) {
  auto journal = log::LogJournal::Open(disk.get(), /*segment_bytes=*/64 << 10);
  EXPECT_TRUE(journal.ok()) << journal.status();
  auto store = MemoryStore::Open(options, *std::move(journal));
  EXPECT_TRUE(store.ok()) << store.status();
  MemoryStore* const memory_store = store->get();
  return {.reopen = [disk, options] { return OpenLogStore(disk, options); },
          .store = *std::move(store),
          .run_alarms = [memory_store] { memory_store->RunAlarms(); }};
}

inline StoreUnderTest MakeLogStore(const StoreOptions& options) {
  return OpenLogStore(std::make_shared<log::FakeDisk>(), options);
}

}  // namespace errand::store

#endif  // ERRAND_TESTS_STORE_LOG_STORE_FACTORY_H_
