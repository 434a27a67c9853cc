#include "tests/bench/failure.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace errand::bench {

void Fail(absl::string_view why) {
  const std::string line = absl::StrCat("errand_bench: ", why, "\n");
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
  _exit(1);  // Other threads are in the middle of calls: no destructors.
}

}  // namespace errand::bench
