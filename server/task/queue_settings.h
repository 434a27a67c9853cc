#ifndef ERRAND_SERVER_TASK_QUEUE_SETTINGS_H_
#define ERRAND_SERVER_TASK_QUEUE_SETTINGS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "errand/v1/queues.pb.h"
#include "errand/v1/task.pb.h"
#include "google/protobuf/field_mask.pb.h"

namespace errand::task {

// INVALID_ARGUMENT naming the settings that break a rule published in errand/v1/queues.proto, their paths
// starting with `path` ("queue"). The name is not looked at.
absl::Status ValidateQueueSettings(const v1::Queue& queue, absl::string_view path);

// INVALID_ARGUMENT naming `field` where a path is no setting of a queue.
absl::Status ValidateQueueMask(const google::protobuf::FieldMask& mask, absl::string_view field);

// Copies the settings that `mask` names; an empty mask means those that are set in `from`, `*` all of them
// (AIP-134). A setting that is named and not set in `from` is cleared. Name, state and etag stay. `from` and
// the mask are valid. INVALID_ARGUMENT where what comes out is not, such as a min_backoff above the
// max_backoff that was there; `into` is then as it was.
absl::Status MergeQueueSettings(const v1::Queue& from, const google::protobuf::FieldMask& mask,
                                v1::Queue& into);

// Fills in what `task` leaves open and the queue has a default for: the retry policy as a whole, the limits
// one by one. Comes before FillDefaults (task/validate.h).
void ApplyQueueDefaults(const v1::Queue& queue, v1::Task& task);

}  // namespace errand::task

#endif  // ERRAND_SERVER_TASK_QUEUE_SETTINGS_H_
