#ifndef ERRAND_TESTS_BENCH_DURABLE_STORE_H_
#define ERRAND_TESTS_BENCH_DURABLE_STORE_H_

#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "server/store/log/posix_file_system.h"
#include "server/store/memory/memory_store.h"
#include "server/store/store_options.h"
#include "tests/bench/durable_load.h"

namespace errand::bench {

// The store that errandd --data_dir has. The only place of the bench that knows how it is put together.
class DurableStore {
 public:
  DurableStore(const std::string& folder, store::StoreOptions options);

  store::MemoryStore& operator*() const { return *store_; }
  store::MemoryStore* operator->() const { return store_.get(); }

 private:
  std::unique_ptr<store::log::PosixFileSystem> folder_;  // Borrowed by the store.
  std::unique_ptr<store::MemoryStore> store_;
};

// Has `run` keep up the load, for a time it is told and once or more often: for the warm-up, and on until the
// log in `folder` writes to files that it has used before, as it first fills new ones with zeros. Does not
// wait for that for longer than a minute.
void WarmUp(const DurableLoad& load, const std::string& folder, absl::FunctionRef<void(absl::Duration)> run);

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_DURABLE_STORE_H_
