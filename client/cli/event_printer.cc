#include "client/cli/event_printer.h"

#include "client/cli/event_rows.h"
#include "client/cli/json.h"

namespace errand::cli {

EventPrinter::EventPrinter(Format format, std::FILE* rows, bool quiet)
    : format_(format),
      rows_(rows),
      terminal_(rows == nullptr ? Terminal() : Terminal::Of(fileno(rows))),
      bar_(!quiet) {}

void EventPrinter::Print(const v1::TaskEvent& event) {
  task_ = event.task();
  last_sequence_ = event.sequence();
  // On one screen the bar says it all; a row for every step would push the rest away.
  const bool bar_only = event.has_progress() && bar_.enabled() && terminal_.is_terminal;
  if (format_ == Format::kJsonl) {
    Write(stdout, ToJson(event));
  } else if (format_ == Format::kTable && rows_ != nullptr && !bar_only) {
    Write(rows_, EventRows(event, terminal_));
  }
  if (event.has_progress()) bar_.Show(event.progress());
}

void EventPrinter::Write(std::FILE* file, const std::string& text) {
  bar_.Clear();
  std::fwrite(text.data(), 1, text.size(), file);
  std::fflush(file);  // Whoever reads a pipe wants it now.
  bar_.Redraw();
}

}  // namespace errand::cli
