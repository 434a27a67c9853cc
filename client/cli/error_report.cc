#include "client/cli/error_report.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/time.h"
#include "client/cli/exit_code.h"
#include "client/cli/printable.h"
#include "errand/error.h"
#include "google/rpc/error_details.pb.h"

namespace errand::cli {
namespace {

std::string Sentence(absl::string_view what, absl::string_view why) {
  return absl::StrCat(Printable(what), why.empty() ? "" : absl::StrCat(" (", Printable(why), ")"), "\n");
}

}  // namespace

std::string DescribeError(const absl::Status& status) {
  if (const auto bad = FindDetail<google::rpc::BadRequest>(status); bad && bad->field_violations_size() > 0) {
    std::vector<std::string> problems;
    for (const auto& violation : bad->field_violations()) {
      problems.push_back(absl::StrCat(violation.field(), ": ", violation.description()));
    }
    std::string text = Sentence("the server refuses the request", problems.front());
    for (size_t i = 1; i < problems.size(); ++i) absl::StrAppend(&text, "  ", Printable(problems[i]), "\n");
    return text;
  }
  std::string why;
  if (const auto resource = FindDetail<google::rpc::ResourceInfo>(status)) why = resource->description();
  if (const auto retry = FindDetail<google::rpc::RetryInfo>(status)) {
    const absl::Duration delay =
        absl::Seconds(retry->retry_delay().seconds()) + absl::Nanoseconds(retry->retry_delay().nanos());
    absl::StrAppend(&why, why.empty() ? "" : "; ", "try again in ", absl::FormatDuration(delay));
  }
  if (status.code() == absl::StatusCode::kUnimplemented) {
    return Sentence("the server does not offer this", std::string(status.message()));
  }
  if (!status.message().empty()) return Sentence(status.message(), why);
  const std::string code = absl::StatusCodeToString(status.code());
  const std::string words = absl::AsciiStrToLower(absl::StrReplaceAll(code, {{"_", " "}}));
  return Sentence("the server gives no reason for its error",
                  absl::StrCat(words, why.empty() ? "" : "; ", why));
}

std::string DescribeUnavailable(const absl::Status& status, absl::string_view server) {
  if (FindDetail<google::rpc::ErrorInfo>(status).has_value()) {
    return Sentence(absl::StrCat("the server at ", server, " takes no calls now"), status.message());
  }
  // gRPC says "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to connect
  // to remote host: Connection refused".
  absl::string_view reason = status.message();
  const size_t colon = reason.rfind(": ");
  if (colon != absl::string_view::npos) reason.remove_prefix(colon + 2);
  return absl::StrCat(Sentence(absl::StrCat("the server at ", server, " cannot be reached"), reason),
                      "Is it running? Point elsewhere with --server=HOST:PORT or ERRAND_SERVER.\n");
}

int ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kDone;
    case absl::StatusCode::kInvalidArgument:
      return kUsage;
    case absl::StatusCode::kNotFound:
      return kNotFound;
    case absl::StatusCode::kUnavailable:
      return kUnavailable;
    case absl::StatusCode::kDeadlineExceeded:
      return kTimedOut;
    case absl::StatusCode::kCancelled:
      return kInterrupted;
    default:
      return kFailed;
  }
}

}  // namespace errand::cli
