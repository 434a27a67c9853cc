#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/batch_report.h"
#include "client/cli/exit_code.h"
#include "client/cli/json.h"
#include "client/cli/printable.h"
#include "client/cli/task_name.h"
#include "client/cli/verbs.h"
#include "errand/submit_stream.h"

namespace errand::cli {
namespace {

constexpr int kFrameTasks = 100;
// Well below the 16 MiB that the server takes in one message.
constexpr size_t kFrameBytes = size_t{1} << 20;

absl::StatusOr<v1::CreateTaskRequest> Parse(const std::string& line, int64_t number, const TaskFlags& flags) {
  const std::string source = absl::StrCat("line ", number);
  if (!IsUtf8(line)) return absl::InvalidArgumentError(absl::StrCat(source, " is not UTF-8"));
  absl::StatusOr<v1::CreateTaskRequest> request = RequestFromJson(source, line);
  if (!request.ok()) return request;
  if (!flags.queue.empty()) request->set_parent(ExpandQueueName(flags.queue));
  if (request->request_id().empty()) request->set_request_id(absl::StrCat(flags.request_id, "-", number));
  return request;
}

// Reads the lines and sends them. INVALID_ARGUMENT ends the batch and is in `report` where a line is to
// blame.
absl::Status SendLines(Session& session, LineReader& lines, SubmitStream& stream, BatchReport& report) {
  const Arguments& arguments = session.arguments();
  std::string line;
  v1::SubmitTasksRequest frame;
  size_t bytes = 0;
  absl::Status end;
  while (end.ok()) {
    const absl::StatusOr<bool> more = lines.Next(line, session.interrupt_fd(), session.deadline());
    if (!more.ok()) end = more.status();
    if (!more.ok() || !*more) break;
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    absl::StatusOr<v1::CreateTaskRequest> request = Parse(line, lines.number(), arguments.task);
    if (request.ok()) {
      report.AddLine(lines.number(), lines.offset());
      *frame.add_requests() = *std::move(request);
      bytes += line.size();
    } else {
      report.AddWrongLine(lines.number(), request.status());
      if (!arguments.keep_going) break;
    }
    // Who writes slowly into a pipe wants its tasks submitted nevertheless.
    const bool full = frame.requests_size() == kFrameTasks || bytes >= kFrameBytes || !lines.HasMore();
    if (!full || frame.requests().empty()) continue;
    end = stream.Send(std::exchange(frame, {}));
    bytes = 0;
  }
  // What stands before a line that is not valid is submitted.
  if (frame.requests_size() > 0 && (end.ok() || absl::IsInvalidArgument(end))) {
    end.Update(stream.Send(std::move(frame)));
  }
  return end;
}

}  // namespace

int SubmitBatch(Session& session, LineReader& lines) {
  const Arguments& arguments = session.arguments();
  BatchReport report(arguments.format, arguments.quiet, lines.total_bytes());
  SubmitOptions options;
  options.retry = session.retry();
  options.call = session.options();
  absl::Status status;
  {
    SubmitStream stream(
        session.channel(),
        [&report](int64_t, const v1::CreateTaskRequest&, const v1::SubmitResult& result) {
          report.AddResult(result);
        },
        options);
    status = SendLines(session, lines, stream, report);
    const absl::Status finished = stream.Finish();
    if (!finished.ok()) status = finished;
  }
  report.Finish();
  if (!status.ok()) return session.Fail(status);
  if (report.wrong() > 0) return kUsage;
  return report.refused() > 0 ? kFailed : kDone;
}

}  // namespace errand::cli
