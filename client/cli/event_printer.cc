#include "client/cli/event_printer.h"

#include "absl/strings/str_cat.h"
#include "client/cli/event_rows.h"
#include "client/cli/json.h"
#include "client/cli/printable.h"

namespace errand::cli {

EventPrinter::EventPrinter(Format format, Scope scope, std::FILE* rows, bool quiet)
    : format_(format),
      scope_(scope),
      rows_(rows),
      terminal_(rows == nullptr ? Terminal() : Terminal::Of(fileno(rows))),
      bar_(!quiet && scope == Scope::kTask) {}

void EventPrinter::Print(const v1::TaskEvent& event) {
  task_ = event.task();
  last_sequence_ = event.sequence();
  // On one screen the bar says it all; a row for every step would push the rest away.
  const bool bar_only = event.has_progress() && bar_.enabled() && terminal_.is_terminal;
  if (format_ == Format::kJsonl) {
    Write(stdout, ToJson(event));
  } else if (format_ == Format::kTable && rows_ != nullptr && !bar_only) {
    Write(rows_, EventRows(event, terminal_, scope_ == Scope::kQueue));
  }
  if (event.has_progress()) bar_.Show(event.progress());
}

void EventPrinter::ReportGap(const std::string& name, const Gap& gap) {
  const std::string lost = gap.lost == 0   ? "an unknown number of events"
                           : gap.lost == 1 ? "1 event"
                                           : absl::StrCat(gap.lost, " events");
  Write(stderr, absl::StrCat("errand: ", lost, " of ", Printable(name), " after ", gap.after,
                             gap.lost == 1 ? " is" : " are", " no longer kept\n"));
}

void EventPrinter::Write(std::FILE* file, const std::string& text) {
  bar_.Clear();
  std::fwrite(text.data(), 1, text.size(), file);
  std::fflush(file);  // Whoever reads a pipe wants it now.
  bar_.Redraw();
}

}  // namespace errand::cli
