#ifndef ERRAND_CLIENT_CLI_JSON_H_
#define ERRAND_CLIENT_CLI_JSON_H_

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "errand/v1/tasks.pb.h"

// Messages as proto3 JSON (https://protobuf.dev/programming-guides/proto3/#json).
namespace errand::cli {

// Ends with a line feed; `indent` spreads it over lines. Error details of types that this program does not
// know are left out, and so are fields without a value unless `zeros`.
std::string ToJson(const google::protobuf::Message& message, bool indent = false, bool zeros = false);

// A CreateTaskRequest, or a Task, which becomes one. INVALID_ARGUMENT names the field that is unknown or
// wrong; `source` is where the text came from.
absl::StatusOr<v1::CreateTaskRequest> RequestFromJson(absl::string_view source, const std::string& json);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_JSON_H_
