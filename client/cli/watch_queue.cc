#include <cstdio>

#include "absl/strings/str_cat.h"
#include "client/cli/event_printer.h"
#include "client/cli/exit_code.h"
#include "client/cli/verbs.h"

namespace errand::cli {

int WatchQueue(Session& session) {
  const Arguments& arguments = session.arguments();
  const std::string& queue = arguments.queue.name;
  EventPrinter printer(arguments.format, EventPrinter::Scope::kQueue, stdout, arguments.quiet);
  int64_t position = arguments.after;
  CallOptions options = session.options();
  options.on_gap = [&](const Gap& gap) { printer.ReportGap(queue, gap); };
  const absl::Status status = session.client().WatchQueue(
      queue, position,
      [&](const auto& events, int64_t after) {
        for (const v1::TaskEvent& event : events) printer.Print(event);
        position = after;
      },
      options);
  printer.Finish();
  const int code = session.Fail(status);
  if (position > 0 && (code == kUnavailable || code == kTimedOut || code == kInterrupted)) {
    std::fprintf(stderr, "  go on:  errand watch --queue=%s --after=%lld --server=%s\n",
                 queue.substr(queue.find('/') + 1).c_str(), static_cast<long long>(position),
                 arguments.server.c_str());
  }
  return code;
}

}  // namespace errand::cli
