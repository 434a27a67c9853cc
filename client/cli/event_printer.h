#ifndef ERRAND_CLIENT_CLI_EVENT_PRINTER_H_
#define ERRAND_CLIENT_CLI_EVENT_PRINTER_H_

#include <cstdint>
#include <cstdio>
#include <string>

#include "client/cli/arguments.h"
#include "client/cli/progress_bar.h"
#include "client/cli/terminal.h"
#include "errand/options.h"
#include "errand/v1/task.pb.h"

namespace errand::cli {

// Prints the events of a task, or of all tasks of a queue, as they come: rows with Format::kTable, lines of
// JSON on standard output with Format::kJsonl, nothing with Format::kJson; and, for one task, a progress bar
// where standard error is a terminal.
class EventPrinter {
 public:
  enum class Scope { kTask, kQueue };

  // `rows` is where rows go: stdout, stderr, or null for nowhere.
  EventPrinter(Format format, Scope scope, std::FILE* rows, bool quiet);

  void Print(const v1::TaskEvent& event);

  // Says on standard error that events of `name` are missing.
  void ReportGap(const std::string& name, const Gap& gap);

  // Takes the progress bar away.
  void Finish() { bar_.Clear(); }

  // Of the events so far; empty and 0 before the first.
  const std::string& task() const { return task_; }
  int64_t last_sequence() const { return last_sequence_; }

 private:
  void Write(std::FILE* file, const std::string& text);

  const Format format_;
  const Scope scope_;
  std::FILE* const rows_;
  const Terminal terminal_;  // Of rows_.
  ProgressBar bar_;
  std::string task_;
  int64_t last_sequence_ = 0;
};

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_EVENT_PRINTER_H_
