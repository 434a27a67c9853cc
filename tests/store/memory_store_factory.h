#ifndef ERRAND_TESTS_STORE_MEMORY_STORE_FACTORY_H_
#define ERRAND_TESTS_STORE_MEMORY_STORE_FACTORY_H_

#include <memory>
#include <utility>

#include "server/store/memory/memory_store.h"
#include "tests/store/conformance/store_fixture.h"

namespace errand::store {

inline StoreUnderTest MakeMemoryStore(StoreOptions options) {
  auto store = std::make_unique<MemoryStore>(std::move(options));
  MemoryStore* memory_store = store.get();
  return {.reopen = nullptr, .store = std::move(store), .run_alarms = [memory_store] {
            memory_store->RunAlarms();
          }};
}

}  // namespace errand::store

#endif  // ERRAND_TESTS_STORE_MEMORY_STORE_FACTORY_H_
