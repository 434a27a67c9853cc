#ifndef ERRAND_SERVER_RPC_THROTTLED_LOG_H_
#define ERRAND_SERVER_RPC_THROTTLED_LOG_H_

#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace errand::rpc {

// Lines of the log that others decide the number of: a few a second are written, and the next one that is
// says how many were left out. Any thread.
class ThrottledLog {
 public:
  enum class Level { kDebug, kInfo, kWarning, kError };

  explicit ThrottledLog(int lines_a_second) : lines_a_second_(lines_a_second) {}

  void Write(Level level, absl::string_view text);
  void Warn(absl::string_view text) { Write(Level::kWarning, text); }

 private:
  const int lines_a_second_;
  absl::Mutex mu_;
  int64_t second_ ABSL_GUARDED_BY(mu_) = 0;  // Of the steady clock.
  int lines_ ABSL_GUARDED_BY(mu_) = 0;       // Written in that second.
  int64_t left_out_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_THROTTLED_LOG_H_
