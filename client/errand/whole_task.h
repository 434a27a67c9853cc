#ifndef ERRAND_WHOLE_TASK_H_
#define ERRAND_WHOLE_TASK_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "errand/retry.h"
#include "errand/v1/task.pb.h"
#include "errand/v1/tasks.grpc.pb.h"

// Tasks that are too large for one answer. Used by the thread that owns `retry`.
namespace errand {

// Whether the server has refused an answer because of its size.
bool IsAnswerTooLarge(const absl::Status& status);

// A task in FULL view, read in one piece where that is possible: the result apart from the rest, otherwise.
// What the client itself sent may still be more than the channel takes; then it is RESOURCE_EXHAUSTED.
absl::StatusOr<v1::Task> ReadWholeTask(v1::Tasks::StubInterface& stub, const std::string& name, Retry& retry);

// A task's result, from a stream of pieces.
absl::StatusOr<v1::TaskResult> ReadWholeResult(v1::Tasks::StubInterface& stub, const std::string& name,
                                               Retry& retry);

}  // namespace errand

#endif  // ERRAND_WHOLE_TASK_H_
