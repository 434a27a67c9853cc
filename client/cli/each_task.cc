#include "client/cli/each_task.h"

#include <cstdio>

#include "client/cli/exit_code.h"
#include "client/cli/json.h"
#include "client/cli/printable.h"
#include "errand/v1/tasks.pb.h"

namespace errand::cli {

int ForEachTask(Session& session,
                absl::FunctionRef<absl::StatusOr<v1::Task>(const std::string& name)> change) {
  const Format format = session.arguments().format;
  v1::ListTasksResponse changed;
  int result = kDone;
  for (const std::string& name : session.arguments().names) {
    const absl::StatusOr<v1::Task> task = change(name);
    if (!task.ok()) {
      const int code = session.Fail(task.status());
      if (result == kDone) result = code;
      if (code == kUnavailable || code == kTimedOut || code == kInterrupted) break;
      continue;
    }
    if (format == Format::kTable) std::printf("%s\n", Printable(task->name()).c_str());
    if (format == Format::kJsonl) std::fputs(ToJson(*task).c_str(), stdout);
    if (format == Format::kJson) *changed.add_tasks() = *task;
  }
  if (format == Format::kJson) {
    std::fputs(changed.tasks().empty() ? "{\n \"tasks\": []\n}\n" : ToJson(changed, true).c_str(), stdout);
  }
  return result;
}

}  // namespace errand::cli
