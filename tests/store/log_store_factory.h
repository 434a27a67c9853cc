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
inline StoreUnderTest OpenLogStore(std::shared_ptr<log::FileSystem> disk, const StoreOptions& options,
                                   log::SegmentOptions segments = {.segment_bytes = 64 << 10}) {
  auto journal = log::LogJournal::Open(disk.get(), segments);
  EXPECT_TRUE(journal.ok()) << journal.status();
  auto store = MemoryStore::Open(options, *std::move(journal));
  EXPECT_TRUE(store.ok()) << store.status();
  MemoryStore* const memory_store = store->get();
  return {.reopen = [disk, options, segments] { return OpenLogStore(disk, options, segments); },
          .store = *std::move(store),
          .run_alarms = [memory_store] { memory_store->RunAlarms(); }};
}

inline StoreUnderTest MakeLogStore(const StoreOptions& options) {
  return OpenLogStore(std::make_shared<log::FakeDisk>(), options);
}

// The same in many small segments, and with nothing in memory that can be read back.
inline StoreUnderTest MakeSmallLogStore(StoreOptions options) {
  options.max_body_bytes_in_memory = 0;
  options.min_stored_past_bytes = 0;
  return OpenLogStore(std::make_shared<log::FakeDisk>(), options, {.segment_bytes = 8 << 10});
}

}  // namespace errand::store

#endif  // ERRAND_TESTS_STORE_LOG_STORE_FACTORY_H_
