#ifndef ERRAND_TESTS_STORE_DUMP_H_
#define ERRAND_TESTS_STORE_DUMP_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/store/conformance/store_fixture.h"

// All that a store has, to compare it with what it had.
namespace errand::store {

// Every task in FULL view, in the order of submission.
absl::StatusOr<std::vector<v1::Task>> ListAll(StoreFixture& fixture);

// The events of a task after a sequence; nothing when the watch would wait. `name` is a whole one.
std::optional<absl::StatusOr<EventBatch>> EventsOf(StoreFixture& fixture, const std::string& name,
                                                   int64_t after);

// Tasks, their events, queues and scripts, as Protocol Buffers' text, each after a line that says what it is.
// Has every event read.
absl::StatusOr<std::string> Dump(StoreFixture& fixture);

}  // namespace errand::store

#endif  // ERRAND_TESTS_STORE_DUMP_H_
