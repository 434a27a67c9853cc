#ifndef ERRAND_SERVER_SERVICE_INTAKE_H_
#define ERRAND_SERVER_SERVICE_INTAKE_H_

#include <atomic>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "errand/v1/tasks.pb.h"
#include "google/protobuf/arena.h"
#include "server/store/task_store.h"

namespace errand::service {

// Whether a request may ask for a check alone.
enum class ValidateOnly { kAllowed, kRefused };

// How an arena grows that requests with many submissions are parsed into.
inline google::protobuf::ArenaOptions SubmissionArena() {
  google::protobuf::ArenaOptions options;
  options.start_block_size = 2 << 10;  // About one task.
  options.max_block_size = 64 << 10;
  return options;
}

// Makes submissions of requests, until it is closed. Any thread.
class Intake {
 public:
  // Takes nothing more.
  void Close() { closed_.store(true); }

  // UNAVAILABLE once it is closed.
  absl::Status CheckOpen() const;

  // Checks a request, but for what only a compiler sees (see SourceChecks), and completes its task, which
  // stays in it. Errors name fields of CreateTaskRequest.
  static absl::StatusOr<store::Submission> Prepare(v1::CreateTaskRequest& request, ValidateOnly validate_only,
                                                   absl::Time now);

 private:
  std::atomic<bool> closed_{false};
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_INTAKE_H_
