#include "client/cli/task_name.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace errand::cli {

std::string ExpandTaskName(absl::string_view name, absl::string_view queue) {
  const auto slashes = std::count(name.begin(), name.end(), '/');
  if (slashes == 0) {
    const std::string parent = ExpandQueueName(queue.empty() ? "default" : queue);
    return absl::StrCat(parent, "/tasks/", name);
  }
  if (slashes == 1) {
    const size_t slash = name.find('/');
    return absl::StrCat("queues/", name.substr(0, slash), "/tasks/", name.substr(slash + 1));
  }
  return std::string(name);
}

std::string ExpandQueueName(absl::string_view queue) {
  absl::ConsumePrefix(&queue, "queues/");
  return queue.empty() ? "" : absl::StrCat("queues/", queue);
}

std::string ExpandScriptName(absl::string_view script) {
  absl::ConsumePrefix(&script, "scripts/");
  return script.empty() ? "" : absl::StrCat("scripts/", script);
}

}  // namespace errand::cli
