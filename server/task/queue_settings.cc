#include "server/task/queue_settings.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/util/field_mask_util.h"
#include "server/task/errors.h"
#include "server/task/limits.h"
#include "server/task/validate.h"

namespace errand::task {
namespace {

using google::protobuf::FieldMask;
using google::protobuf::util::FieldMaskUtil;

constexpr std::array<absl::string_view, 7> kSettings = {
    "rate_limit", "max_running", "default_retry_policy", "default_limits", "retention", "capacity", "weight"};

// The longest that google/protobuf/duration.proto can express. Longer than the server's bound is no error:
// the first bound that is reached counts.
constexpr absl::Duration kLongest = absl::Seconds(315'576'000'000);

absl::Status CheckCount(int64_t value, int64_t max, absl::string_view path, absl::string_view field) {
  if (value >= 0 && value <= max) return absl::OkStatus();
  return InvalidField(absl::StrCat(path, ".", field),
                      max == std::numeric_limits<int64_t>::max()
                          ? absl::StrCat("must not be negative, as ", value, " is")
                          : absl::StrCat("must be 0 to ", max, ", not ", value));
}

// Whether `path` is a setting, or a field of one. Deeper paths would tear durations apart.
bool IsSetting(absl::string_view path) {
  const absl::string_view setting = path.substr(0, path.find('.'));
  if (std::find(kSettings.begin(), kSettings.end(), setting) == kSettings.end()) return false;
  // IsValidPath passes over a full stop at the end.
  return std::count(path.begin(), path.end(), '.') <= 1 && path.back() != '.' &&
         FieldMaskUtil::IsValidPath<v1::Queue>(std::string(path));
}

}  // namespace

absl::Status ValidateQueueSettings(const v1::Queue& queue, absl::string_view path) {
  constexpr int64_t kAny = std::numeric_limits<int64_t>::max();
  Violations found;
  const double rate = queue.rate_limit().tasks_per_second();
  // Negated so that NaN is refused.
  if (!(rate >= 0 && rate <= kMaxTasksPerSecond)) {
    found.Add(InvalidField(absl::StrCat(path, ".rate_limit.tasks_per_second"),
                           absl::StrCat("must be 0 to ", kMaxTasksPerSecond, ", not ", rate)));
  }
  found.Add(CheckCount(queue.rate_limit().burst(), kMaxBurst, path, "rate_limit.burst"));
  found.Add(CheckCount(queue.max_running(), kAny, path, "max_running"));
  if (queue.has_default_retry_policy()) {
    found.Add(ValidateRetryPolicy(queue.default_retry_policy(), absl::StrCat(path, ".default_retry_policy")));
  }
  if (queue.has_default_limits()) {
    found.Add(ValidateLimits(queue.default_limits(), absl::StrCat(path, ".default_limits")));
  }
  if (queue.retention().has_max_age()) {
    found.Add(ValidateDuration(queue.retention().max_age(), absl::StrCat(path, ".retention.max_age"),
                               absl::ZeroDuration(), kLongest));
  }
  found.Add(CheckCount(queue.retention().max_count(), kAny, path, "retention.max_count"));
  found.Add(CheckCount(queue.capacity().max_tasks(), kAny, path, "capacity.max_tasks"));
  found.Add(CheckCount(queue.capacity().max_bytes(), kAny, path, "capacity.max_bytes"));
  found.Add(CheckCount(queue.weight(), kMaxWeight, path, "weight"));
  return found.status();
}

absl::Status ValidateQueueMask(const FieldMask& mask, absl::string_view field) {
  for (const std::string& path : mask.paths()) {
    if (path == "*") {
      if (mask.paths_size() == 1) continue;
      return InvalidField(field, "'*' must stand alone: it already names all settings");
    }
    if (!IsSetting(path)) {
      return InvalidField(
          field,
          absl::StrCat("'", absl::CHexEscape(path.substr(0, 64)), "' is no setting: must be one of ",
                       absl::StrJoin(kSettings, ", "), " or a field of one, such as rate_limit.burst"));
    }
  }
  return absl::OkStatus();
}

absl::Status MergeQueueSettings(const v1::Queue& from, const FieldMask& mask, v1::Queue& into) {
  FieldMask named = mask;
  if (mask.paths_size() == 0 || mask.paths(0) == "*") {
    named.Clear();
    for (absl::string_view setting : kSettings) {
      const auto* field = v1::Queue::descriptor()->FindFieldByName(std::string(setting));
      if (mask.paths_size() > 0 || v1::Queue::GetReflection()->HasField(from, field)) {
        named.add_paths(std::string(setting));
      }
    }
  }
  FieldMaskUtil::MergeOptions options;
  options.set_replace_message_fields(true);
  v1::Queue merged = into;
  FieldMaskUtil::MergeMessageTo(from, named, options, &merged);
  absl::Status status = ValidateQueueSettings(merged, "queue");
  if (status.ok()) into.Swap(&merged);
  return status;
}

void ApplyQueueDefaults(const v1::Queue& queue, v1::Task& task) {
  if (!task.has_retry_policy() && queue.has_default_retry_policy()) {
    *task.mutable_retry_policy() = queue.default_retry_policy();
  }
  if (!queue.has_default_limits()) return;
  const v1::Limits& defaults = queue.default_limits();
  v1::Limits& limits = *task.mutable_limits();
  if (!limits.has_cpu_time() && defaults.has_cpu_time()) *limits.mutable_cpu_time() = defaults.cpu_time();
  if (limits.memory_bytes() == 0) limits.set_memory_bytes(defaults.memory_bytes());
  if (limits.output_bytes() == 0) limits.set_output_bytes(defaults.output_bytes());
}

}  // namespace errand::task
