#ifndef ERRAND_TESTS_STORE_LOG_MADE_CHANGES_H_
#define ERRAND_TESTS_STORE_LOG_MADE_CHANGES_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace errand::store {

// A change as a log has it, and what is attached to it.
struct MadeChange {
  std::string change;
  std::string body;
  bool ends_group = true;
};

// The changes that a fuzzer's input stands for. They fit together unless the input says otherwise, so that
// some of them get far: its first byte says how often a field is not what it should be.
std::vector<MadeChange> MakeChanges(absl::string_view input);

}  // namespace errand::store

#endif  // ERRAND_TESTS_STORE_LOG_MADE_CHANGES_H_
