#include "client/cli/exit_code.h"
#include "client/cli/outcome.h"
#include "client/cli/verbs.h"

namespace errand::cli {

int Cancel(Session& session) {
  const Arguments& arguments = session.arguments();
  const absl::StatusOr<v1::Task> task = session.client().Cancel(arguments.name, session.options());
  if (!task.ok()) return session.Fail(task.status());
  PrintTask(*task, arguments.format);
  return kDone;
}

}  // namespace errand::cli
