#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "absl/synchronization/mutex.h"
#include "client/cli/arguments.h"
#include "client/cli/error_report.h"
#include "client/cli/exit_code.h"
#include "client/cli/request.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"

namespace errand::cli {
namespace {

int Dispatch(Session& session, const v1::CreateTaskRequest& request) {
  switch (session.arguments().verb) {
    case Verb::kRun:
      return Run(session, request);
    case Verb::kSubmit:
      return Submit(session, request);
    case Verb::kGet:
      return Get(session);
    case Verb::kWait:
      return Wait(session);
    case Verb::kWatch:
      return Watch(session);
    case Verb::kCancel:
      return Cancel(session);
    case Verb::kHealth:
      return Health(session);
  }
  return kUsage;
}

int Main(int argc, char** argv) {
  // Debian's Abseil is built without NDEBUG, and checks every mutex for deadlocks unless told not to.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);

  // Whoever reads our output may stop: that ends the command without a word, even when its parent ignores
  // the signal.
  std::signal(SIGPIPE, SIG_DFL);

  Arguments arguments;
  if (const auto code = ParseArguments(argc, argv, arguments)) return *code;

  // Files are read before there is a connection, and while SIGINT still ends the process.
  absl::StatusOr<v1::CreateTaskRequest> request = v1::CreateTaskRequest();
  if (arguments.verb == Verb::kRun || arguments.verb == Verb::kSubmit) request = BuildRequest(arguments.task);
  if (!request.ok()) {
    std::fprintf(stderr, "errand: %s", DescribeError(request.status()).c_str());
    return ExitCodeOf(request.status());
  }
  arguments.task.request_id = request->request_id();  // To name it when the answer does not come.

  int code;
  {
    Session session(arguments);
    code = Dispatch(session, *request);
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
    std::fprintf(stderr, "errand: cannot write the output (%s)\n", std::strerror(errno));
    return kFailed;
  }
  return code;
}

}  // namespace
}  // namespace errand::cli

int main(int argc, char** argv) { return errand::cli::Main(argc, argv); }
