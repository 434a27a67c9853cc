#include <algorithm>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/card.h"
#include "client/cli/event_rows.h"
#include "client/cli/exit_code.h"
#include "client/cli/json.h"
#include "client/cli/printable.h"
#include "client/cli/progress_bar.h"
#include "client/cli/table.h"
#include "client/cli/verbs.h"

namespace errand::cli {
namespace {

constexpr int64_t kPageSize = 200;

std::string Detail(const v1::Task& task) {
  if (task.has_error()) {
    const std::string error = DescribeError(task.error());
    return Printable(error.substr(0, error.find('\n')));
  }
  return task.has_progress() ? DescribeProgress(task.progress()) : "";
}

std::vector<Table::Cell> Row(const v1::Task& task) {
  return {{Printable(task.name())},
          {StateWord(task.state()), task.state()},
          {task.has_lua()     ? "lua"
           : task.has_email() ? "email"
                              : "-"},
          {absl::StrCat(task.attempt_count())},
          {DescribeTime(task.create_time())},
          {Detail(task)}};
}

// --filter and --state together.
std::string FilterOf(const Arguments& arguments) {
  std::vector<std::string> states;
  for (const std::string& state : arguments.states) {
    states.push_back(absl::StrCat("state = ", absl::AsciiStrToUpper(state)));
  }
  if (states.empty()) return arguments.filter;
  const std::string any = absl::StrJoin(states, " OR ");
  return arguments.filter.empty() ? any : absl::StrCat("(", arguments.filter, ") AND (", any, ")");
}

}  // namespace

int List(Session& session) {
  const Arguments& arguments = session.arguments();
  v1::ListTasksRequest request;
  request.set_parent(arguments.queue.name);
  request.set_filter(FilterOf(arguments));
  const int64_t limit = arguments.limit;
  request.set_page_size(static_cast<int32_t>(limit > 0 ? std::min(limit, kPageSize) : kPageSize));

  Table table({"NAME", "STATE", "KIND", "ATTEMPTS", "CREATED", "DETAIL"});
  v1::ListTasksResponse all;
  int64_t count = 0;
  const absl::Status status = session.client().List(
      request,
      [&](const v1::Task& task) {
        ++count;
        if (arguments.format == Format::kTable) {
          table.Add(Row(task));
          if (count % kPageSize == 0) table.Flush();
        } else if (arguments.format == Format::kJsonl) {
          std::fputs(ToJson(task).c_str(), stdout);
        } else {
          *all.add_tasks() = task;
        }
        return count != limit;
      },
      session.options());
  table.Flush();
  if (!status.ok()) return session.Fail(status);
  if (arguments.format == Format::kJson) {
    // An empty list is left out of a message's JSON, and a program would have to know.
    std::fputs(count == 0 ? "{\n \"tasks\": []\n}\n" : ToJson(all, true).c_str(), stdout);
  } else if (count == 0 && arguments.format == Format::kTable && !arguments.quiet) {
    std::fprintf(stderr, "errand: no tasks\n");
  }
  return kDone;
}

}  // namespace errand::cli
