#include "server/service/read_mask.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/field_mask_util.h"
#include "server/task/errors.h"

namespace errand::service {
namespace {

using google::protobuf::util::FieldMaskUtil;

constexpr int kMaxPaths = 100;

// IsValidPath passes over a full stop at the end.
bool IsField(const std::string& path) {
  return !path.empty() && path.back() != '.' && FieldMaskUtil::IsValidPath<v1::Task>(path);
}

}  // namespace

absl::Status CheckReadMask(const google::protobuf::FieldMask& mask, absl::string_view field) {
  if (mask.paths_size() > kMaxPaths) {
    return task::InvalidField(field, absl::StrCat("must have at most ", kMaxPaths, " paths"));
  }
  for (const std::string& path : mask.paths()) {
    if (path == "*" && mask.paths_size() == 1) continue;
    if (path == "*") return task::InvalidField(field, "'*' must stand alone: it already names all fields");
    if (!IsField(path)) {
      return task::InvalidField(
          field, absl::StrCat("'", absl::CHexEscape(path.substr(0, 64)),
                              "' is no field of a task, such as state or result.content_type"));
    }
  }
  return absl::OkStatus();
}

void ApplyReadMask(const google::protobuf::FieldMask& mask, v1::Task& task) {
  if (mask.paths_size() == 0 || mask.paths(0) == "*") return;
  FieldMaskUtil::TrimMessage(mask, &task);
}

}  // namespace errand::service
