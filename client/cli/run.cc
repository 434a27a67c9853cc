#include <cstdio>

#include "client/cli/event_printer.h"
#include "client/cli/outcome.h"
#include "client/cli/verbs.h"

namespace errand::cli {

int Run(Session& session, const v1::CreateTaskRequest& request) {
  const Arguments& arguments = session.arguments();
  EventPrinter printer(arguments.format, EventPrinter::Scope::kTask, arguments.quiet ? nullptr : stderr,
                       arguments.quiet);
  CallOptions options = session.options();
  options.on_gap = [&printer](const Gap& gap) { printer.ReportGap(printer.task(), gap); };
  const absl::StatusOr<v1::StateChange> end = session.client().Run(
      request, [&printer](const v1::TaskEvent& event) { printer.Print(event); }, options);
  printer.Finish();
  if (!end.ok()) return session.Fail(end.status(), printer.task(), printer.last_sequence());
  if (arguments.format == Format::kTable) PrintResult(end->result());
  if (arguments.format == Format::kJson) {
    const absl::StatusOr<v1::Task> task = session.client().Get(printer.task(), session.options());
    if (!task.ok()) return session.Fail(task.status(), printer.task(), printer.last_sequence());
    PrintTask(*task, arguments.format);
  }
  return ReportEnd(printer.task(), end->state(), end->error());
}

}  // namespace errand::cli
