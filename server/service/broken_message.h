#ifndef ERRAND_SERVER_SERVICE_BROKEN_MESSAGE_H_
#define ERRAND_SERVER_SERVICE_BROKEN_MESSAGE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"

namespace errand::service {

// Why `bytes` could not be parsed as a message of that type. INVALID_ARGUMENT: INVALID_FIELD naming the
// strings that are not UTF-8 (`task.lua.source`, `requests[3].task_id`), or INVALID_MESSAGE where it is
// something else. For what is seldom: it takes several times as long as parsing.
absl::Status ExplainBroken(const google::protobuf::Descriptor& type, absl::string_view bytes);

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_BROKEN_MESSAGE_H_
