#include "client/cli/each_task.h"
#include "client/cli/verbs.h"

namespace errand::cli {

int Delete(Session& session) {
  return ForEachTask(session, [&session](const std::string& name) -> absl::StatusOr<v1::Task> {
    absl::Status status = session.client().Delete(name, session.options());
    if (!status.ok()) return status;
    v1::Task task;  // Of which nothing is left but this.
    task.set_name(name);
    return task;
  });
}

}  // namespace errand::cli
