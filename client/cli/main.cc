#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "client/cli/arguments.h"
#include "client/cli/display_width.h"
#include "client/cli/error_report.h"
#include "client/cli/exit_code.h"
#include "client/cli/line_reader.h"
#include "client/cli/request.h"
#include "client/cli/session.h"
#include "client/cli/verbs.h"
#include "errand/request_id.h"

namespace errand::cli {
namespace {

// What was read before there was a connection.
struct Input {
  v1::CreateTaskRequest request;      // run, submit.
  std::unique_ptr<LineReader> lines;  // submit --batch.
  std::string source;                 // script create, script validate.
};

absl::Status Prepare(Arguments& arguments, Input& input) {
  if (arguments.verb == Verb::kRun || arguments.verb == Verb::kSubmit) {
    absl::StatusOr<v1::CreateTaskRequest> request = BuildRequest(arguments.task);
    if (!request.ok()) return request.status();
    input.request = *std::move(request);
    arguments.task.request_id = input.request.request_id();  // To name it when the answer does not come.
  } else if (arguments.verb == Verb::kSubmitBatch) {
    absl::StatusOr<std::unique_ptr<LineReader>> lines = LineReader::Open(arguments.batch_file);
    if (!lines.ok()) return lines.status();
    input.lines = *std::move(lines);
    if (arguments.task.request_id.empty()) arguments.task.request_id = NewRequestId();
  } else if (arguments.verb == Verb::kScriptCreate || arguments.verb == Verb::kScriptValidate) {
    absl::StatusOr<std::string> source = ReadSource(arguments.script.file);
    if (!source.ok()) return source.status();
    input.source = *std::move(source);
  }
  return absl::OkStatus();
}

int Dispatch(Session& session, const Input& input) {
  switch (session.arguments().verb) {
    case Verb::kRun:
      return Run(session, input.request);
    case Verb::kSubmit:
      return Submit(session, input.request);
    case Verb::kSubmitBatch:
      return SubmitBatch(session, *input.lines);
    case Verb::kGet:
      return Get(session);
    case Verb::kList:
      return List(session);
    case Verb::kWait:
      return Wait(session);
    case Verb::kWatch:
      return Watch(session);
    case Verb::kWatchQueue:
      return WatchQueue(session);
    case Verb::kCancel:
      return Cancel(session);
    case Verb::kRetry:
      return Retry(session);
    case Verb::kDelete:
      return Delete(session);
    case Verb::kQueueList:
      return QueueList(session);
    case Verb::kQueueGet:
      return QueueGet(session);
    case Verb::kQueueSet:
      return QueueSet(session);
    case Verb::kQueuePause:
      return QueuePause(session);
    case Verb::kQueueResume:
      return QueueResume(session);
    case Verb::kQueuePurge:
      return QueuePurge(session);
    case Verb::kQueueDelete:
      return QueueDelete(session);
    case Verb::kQueueStats:
      return QueueStats(session);
    case Verb::kScriptCreate:
      return ScriptCreate(session, input.source);
    case Verb::kScriptGet:
      return ScriptGet(session);
    case Verb::kScriptList:
      return ScriptList(session);
    case Verb::kScriptDelete:
      return ScriptDelete(session);
    case Verb::kScriptValidate:
      return ScriptValidate(session, input.source);
    case Verb::kAdminDump:
      return AdminDump(session);
    case Verb::kHealth:
      return Health(session);
    case Verb::kCompletion:  // ParseArguments has done it.
      break;
  }
  return kUsage;
}

int Main(int argc, char** argv) {
  // Debian's Abseil is built without NDEBUG, and checks every mutex for deadlocks unless told not to.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);

  // Whoever reads our output may stop: that ends the command without a word, even when its parent ignores
  // the signal.
  std::signal(SIGPIPE, SIG_DFL);

  UseDisplayWidths();

  Arguments arguments;
  if (const auto code = ParseArguments(argc, argv, arguments)) return *code;

  // Files are read before there is a connection, and while SIGINT still ends the process.
  Input input;
  if (const absl::Status status = Prepare(arguments, input); !status.ok()) {
    std::fprintf(stderr, "errand: %s", DescribeError(status).c_str());
    return ExitCodeOf(status);
  }

  int code;
  {
    Session session(arguments);
    code = Dispatch(session, input);
  }
  // A verb that has failed has said why.
  if (code == kDone && (std::fflush(stdout) != 0 || std::ferror(stdout))) {
    std::fprintf(stderr, "errand: cannot write the output (%s)\n", std::strerror(errno));
    return kFailed;
  }
  return code;
}

}  // namespace
}  // namespace errand::cli

int main(int argc, char** argv) { return errand::cli::Main(argc, argv); }
