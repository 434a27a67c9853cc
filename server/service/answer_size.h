#ifndef ERRAND_SERVER_SERVICE_ANSWER_SIZE_H_
#define ERRAND_SERVER_SERVICE_ANSWER_SIZE_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "errand/v1/task.pb.h"
#include "google/protobuf/message.h"

// What clients can take: gRPC's receive 4 MiB in a message unless they are told otherwise, and end the call
// at more.
namespace errand::service {

inline constexpr size_t kDefaultMaxBytes = 4 << 20;
// A page of a list, and an event: with room for what stands around them.
inline constexpr size_t kMaxItemBytes = 3 << 20;
// A frame is closed at this size; one event may make it as large as an event may be.
inline constexpr size_t kFullFrameBytes = 1 << 20;

// RESOURCE_EXHAUSTED / ANSWER_TOO_LARGE for an answer with a task of more than `max_bytes`, 0 meaning what
// clients take by default. Says how to ask for less.
absl::Status CheckAnswerBytes(const google::protobuf::Message& answer, int64_t max_bytes = 0);

// Turns a task in FULL view into one in BASIC view.
void ReduceToBasic(v1::Task& task);

// Leaves what names a task and says where it stands: `name`, `uid`, `state`, `create_time` and `etag`.
void ReduceToEssence(v1::Task& task);

// Leaves the result out of an event that is too large for a frame, and says so in it. Nothing else makes an
// event so large.
void LeaveResultOut(v1::TaskEvent& event);

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_ANSWER_SIZE_H_
