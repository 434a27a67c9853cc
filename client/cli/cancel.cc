#include <unistd.h>

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/card.h"
#include "client/cli/exit_code.h"
#include "client/cli/json.h"
#include "client/cli/outcome.h"
#include "client/cli/printable.h"
#include "client/cli/task_card.h"
#include "client/cli/terminal.h"
#include "client/cli/verbs.h"

namespace errand::cli {
namespace {

int CancelTree(Session& session) {
  const Arguments& arguments = session.arguments();
  const absl::StatusOr<v1::CancelTaskResponse> cancelled =
      session.client().CancelTree(arguments.name, session.options());
  if (!cancelled.ok()) return session.Fail(cancelled.status());
  std::string text;
  if (arguments.format == Format::kTable) {
    if (cancelled->has_task()) text = TaskCard(cancelled->task(), Terminal::Of(STDOUT_FILENO));
    AddFact(text, "cancelled", absl::StrCat(cancelled->descendants_count(), " descendants"));
  } else {
    text = ToJson(*cancelled, arguments.format == Format::kJson, true);
  }
  std::fputs(text.c_str(), stdout);
  return kDone;
}

}  // namespace

int Cancel(Session& session) {
  const Arguments& arguments = session.arguments();
  if (arguments.descendants) return CancelTree(session);
  const absl::StatusOr<v1::Task> task = session.client().Cancel(arguments.name, session.options());
  if (!task.ok()) return session.Fail(task.status());
  PrintTask(*task, arguments.format);
  if (task->state() == v1::TASK_STATE_RUNNING && !arguments.quiet) {
    std::fprintf(stderr, "errand: %s is being stopped; 'errand wait' tells how it ends\n",
                 Printable(task->name()).c_str());
  }
  return kDone;
}

}  // namespace errand::cli
