#include <cstdio>

#include "client/cli/json.h"
#include "client/cli/printable.h"
#include "client/cli/verbs.h"

namespace errand::cli {

int Submit(Session& session, const v1::CreateTaskRequest& request) {
  const absl::StatusOr<v1::Task> task = session.client().Create(request, session.options());
  if (!task.ok()) return session.Fail(task.status());
  if (session.arguments().format == Format::kTable) {
    std::printf("%s\n", Printable(task->name()).c_str());  // Alone, for $(errand submit ...).
  } else {
    std::fputs(ToJson(*task, session.arguments().format == Format::kJson).c_str(), stdout);
  }
  return 0;
}

}  // namespace errand::cli
