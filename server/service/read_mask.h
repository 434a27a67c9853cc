#ifndef ERRAND_SERVER_SERVICE_READ_MASK_H_
#define ERRAND_SERVER_SERVICE_READ_MASK_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "errand/v1/task.pb.h"
#include "google/protobuf/field_mask.pb.h"

// Which fields of a task are wanted (AIP-157).
namespace errand::service {

// INVALID_ARGUMENT naming `field` unless every path is a field of Task, or one within, or `*` alone.
absl::Status CheckReadMask(const google::protobuf::FieldMask& mask, absl::string_view field);

// Clears what a valid mask does not name. An empty one names all.
void ApplyReadMask(const google::protobuf::FieldMask& mask, v1::Task& task);

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_READ_MASK_H_
