#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "client/cli/exit_code.h"
#include "client/cli/json.h"
#include "client/cli/verbs.h"

namespace errand::cli {
namespace {

// The most that a server gives; it ends pages of large tasks earlier.
constexpr int kPageSize = 1000;

}  // namespace

int AdminDump(Session& session) {
  // Half a dump must not look like one: where nobody reads any more is an error here.
  std::signal(SIGPIPE, SIG_IGN);
  v1::ListTasksRequest request;
  request.set_parent(session.arguments().queue.name);
  request.set_page_size(kPageSize);
  request.set_view(v1::TASK_VIEW_FULL);
  long long count = 0;
  int write_error = 0;
  const absl::Status status = session.client().List(
      request,
      [&](const v1::Task& task) {
        if (std::fputs(ToJson(task).c_str(), stdout) < 0) write_error = errno;
        ++count;
        return write_error == 0;
      },
      session.options());
  if (std::fflush(stdout) != 0 && write_error == 0) write_error = errno;
  if (write_error != 0) {
    std::fprintf(stderr, "errand: cannot write the output (%s)\n", std::strerror(write_error));
  } else if (!status.ok()) {
    const int code = session.Fail(status);
    std::fprintf(stderr, "The dump is not complete: it ends after %lld tasks.\n", count);
    return code;
  }
  return write_error == 0 ? kDone : kFailed;
}

}  // namespace errand::cli
