#include <cstdio>

#include "client/cli/event_printer.h"
#include "client/cli/outcome.h"
#include "client/cli/verbs.h"

namespace errand::cli {

int Watch(Session& session) {
  const Arguments& arguments = session.arguments();
  const std::string& name = arguments.name;
  EventPrinter printer(arguments.format, EventPrinter::Scope::kTask, stdout, arguments.quiet);
  CallOptions options = session.options();
  options.on_gap = [&](const Gap& gap) { printer.ReportGap(name, gap); };
  const absl::StatusOr<v1::StateChange> end = session.client().Watch(
      name, arguments.after, [&printer](const v1::TaskEvent& event) { printer.Print(event); }, options);
  printer.Finish();
  if (!end.ok()) {
    const int64_t seen = printer.last_sequence() > 0 ? printer.last_sequence() : arguments.after;
    return session.Fail(end.status(), name, seen);
  }
  if (arguments.format == Format::kJson) {
    const absl::StatusOr<v1::Task> task = session.client().Get(name, session.options());
    if (!task.ok()) return session.Fail(task.status(), name, printer.last_sequence());
    PrintTask(*task, arguments.format);
  }
  return ReportEnd(name, end->state(), end->error());
}

}  // namespace errand::cli
