#include "client/cli/outcome.h"
#include "client/cli/verbs.h"

namespace errand::cli {

int Wait(Session& session) {
  const Arguments& arguments = session.arguments();
  const absl::StatusOr<v1::Task> task = session.client().Wait(arguments.name, session.options());
  if (!task.ok()) return session.Fail(task.status(), arguments.name);
  PrintTask(*task, arguments.format);
  return ReportEnd(task->name(), task->state(), task->error());
}

}  // namespace errand::cli
