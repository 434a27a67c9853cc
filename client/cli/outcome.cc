#include "client/cli/outcome.h"

#include <unistd.h>

#include <cstdio>

#include "absl/strings/match.h"
#include "client/cli/event_rows.h"
#include "client/cli/exit_code.h"
#include "client/cli/json.h"
#include "client/cli/printable.h"
#include "client/cli/task_card.h"
#include "client/cli/terminal.h"

namespace errand::cli {

int ReportEnd(const std::string& task, v1::TaskState state, const google::rpc::Status& error) {
  if (state == v1::TASK_STATE_SUCCEEDED) return kDone;
  std::string why = Printable(DescribeError(error), true);
  const Terminal terminal = Terminal::Of(STDERR_FILENO);
  // A traceback follows on lines of its own.
  const size_t line = why.find('\n');
  const std::string rest = line == std::string::npos ? "" : why.substr(line + 1);
  why.resize(line == std::string::npos ? why.size() : line);
  const std::string word = state == v1::TASK_STATE_CANCELLED ? "was cancelled" : StateWord(state);
  std::fprintf(stderr, "errand: %s %s", Printable(task).c_str(), terminal.Paint(word, state).c_str());
  std::fprintf(stderr, why.empty() ? "\n" : " (%s)\n", why.c_str());
  if (!rest.empty()) std::fprintf(stderr, "%s%s", rest.c_str(), absl::EndsWith(rest, "\n") ? "" : "\n");
  return kFailed;
}

void PrintTask(const v1::Task& task, Format format) {
  const std::string text = format == Format::kTable ? TaskCard(task, Terminal::Of(STDOUT_FILENO))
                                                    : ToJson(task, format == Format::kJson);
  std::fputs(text.c_str(), stdout);
}

void PrintResult(const v1::TaskResult& result) {
  std::string data = result.has_email() ? RecipientRows(result.email()) : result.data();
  if (!result.has_email() && !data.empty() && Terminal::Of(STDOUT_FILENO).is_terminal) {
    data = Printable(data, true);
    if (!absl::EndsWith(data, "\n")) data += '\n';
  }
  std::fwrite(data.data(), 1, data.size(), stdout);
}

}  // namespace errand::cli
