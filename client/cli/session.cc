#include "client/cli/session.h"

#include <unistd.h>

#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "client/cli/error_report.h"
#include "client/cli/exit_code.h"
#include "client/cli/terminal.h"
#include "errand/channel.h"

namespace errand::cli {
namespace {

constexpr char kDefaultPort[] = ":50051";

// "host" alone would be taken for host:443 by gRPC.
std::string Target(absl::string_view server) {
  absl::string_view host = server;
  absl::ConsumePrefix(&host, "grpc://");
  absl::ConsumeSuffix(&host, "/");
  const bool is_plain = !absl::StrContains(host, '/') && host.find(':') == absl::string_view::npos;
  return is_plain || absl::EndsWith(host, "]") ? absl::StrCat(host, kDefaultPort) : std::string(host);
}

RetryOptions MakeRetryOptions(const Arguments& arguments) {
  RetryOptions options;
  options.give_up_after = arguments.retry_for;
  options.max_backoff = absl::Seconds(1);
  if (!arguments.quiet && Terminal::Of(STDERR_FILENO).is_terminal) {
    options.on_retry = [server = arguments.server, said = false](const absl::Status&,
                                                                 absl::Duration) mutable {
      if (!said) std::fprintf(stderr, "errand: %s does not answer, trying again\n", server.c_str());
      said = true;
    };
  }
  return options;
}

}  // namespace

Session::Session(const Arguments& arguments)
    : arguments_(arguments),
      deadline_(absl::Now() + arguments.timeout),
      interrupt_(cancellation_),
      retry_(MakeRetryOptions(arguments)),
      channel_(Dial(Target(arguments.server))),
      client_(channel_, retry_),
      queues_(channel_, retry_),
      scripts_(channel_, retry_) {}

CallOptions Session::options() {
  CallOptions options;
  options.timeout = deadline_ - absl::Now();
  options.cancellation = &cancellation_;
  return options;
}

std::string Session::Describe(const absl::Status& status, const std::string& task) const {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return DescribeUnavailable(status, arguments_.server);
    case absl::StatusCode::kDeadlineExceeded:
      if (task.empty()) {
        return absl::StrCat("no answer from ", arguments_.server,
                            " (--timeout: ", absl::FormatDuration(arguments_.timeout), " are over)\n");
      }
      return absl::StrCat(task, " has not ended (--timeout: ", absl::FormatDuration(arguments_.timeout),
                          " are over)\n");
    case absl::StatusCode::kCancelled:
      return "interrupted\n";
    default:
      return DescribeError(status);
  }
}

int Session::Fail(const absl::Status& status, const std::string& task, int64_t last_sequence) const {
  std::fprintf(stderr, "errand: %s", Describe(status, task).c_str());
  const int code = ExitCodeOf(status);
  const bool stopped = code == kTimedOut || code == kInterrupted;
  const std::string server = absl::StrCat(" --server=", arguments_.server);
  if (!task.empty() && (stopped || (code == kUnavailable && last_sequence > 0))) {
    const std::string after = last_sequence > 0 ? absl::StrCat(" --after=", last_sequence) : "";
    std::fprintf(stderr,
                 "The task goes on without this command.\n"
                 "  watch it:   errand watch %s%s%s\n"
                 "  cancel it:  errand cancel %s%s\n",
                 task.c_str(), after.c_str(), server.c_str(), task.c_str(), server.c_str());
  } else if (arguments_.verb == Verb::kSubmitBatch && (stopped || code == kUnavailable)) {
    std::fprintf(stderr,
                 "More tasks than these may have been created. The same command with --request-id=%s\n"
                 "goes on from there, and creates none twice.\n",
                 arguments_.task.request_id.c_str());
  } else if (stopped && !arguments_.task.request_id.empty()) {
    std::fprintf(stderr,
                 "The task may have been created. The same command with --request-id=%s\n"
                 "finds it, and does not create it twice.\n",
                 arguments_.task.request_id.c_str());
  }
  return code;
}

}  // namespace errand::cli
