#include "client/cli/event_rows.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "client/cli/printable.h"
#include "client/cli/progress_bar.h"
#include "errand/error.h"
#include "google/rpc/error_details.pb.h"

namespace errand::cli {
namespace {

std::string Clock(const google::protobuf::Timestamp& time, const char* format) {
  return absl::FormatTime(format,
                          absl::FromUnixNanos(google::protobuf::util::TimeUtil::TimestampToNanoseconds(time)),
                          absl::LocalTimeZone());
}

absl::string_view FirstLine(absl::string_view text) { return text.substr(0, text.find('\n')); }

std::string DescribeChange(const v1::StateChange& change, int attempt) {
  std::vector<std::string> parts;
  if (change.state() == v1::TASK_STATE_RUNNING) parts.push_back(absl::StrCat("attempt ", attempt));
  if (change.has_error()) {
    const std::string error = DescribeError(change.error());
    parts.push_back(Printable(FirstLine(error)));
  }
  if (change.has_schedule_time()) {
    parts.push_back(absl::StrCat("due ", Clock(change.schedule_time(), "%Y-%m-%d %H:%M:%S")));
  }
  const std::string result = DescribeResult(change.result());
  if (!result.empty()) parts.push_back(result);
  if (change.result_left_out()) parts.push_back("a result too large to be shown here");
  return absl::StrJoin(parts, "; ");
}

absl::string_view LevelWord(v1::LogLevel level) {
  switch (level) {
    case v1::LOG_LEVEL_DEBUG:
      return "debug: ";
    case v1::LOG_LEVEL_INFO:
      return "info: ";
    case v1::LOG_LEVEL_WARNING:
      return "warning: ";
    case v1::LOG_LEVEL_ERROR:
      return "error: ";
    default:
      return "";
  }
}

std::vector<std::string> Lines(absl::string_view prefix, absl::string_view text) {
  absl::ConsumeSuffix(&text, "\n");
  std::vector<std::string> lines;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    lines.push_back(absl::StrCat(prefix, Printable(line)));
  }
  return lines;
}

}  // namespace

std::string EventRows(const v1::TaskEvent& event, const Terminal& terminal, bool task_ids) {
  std::string word;
  std::vector<std::string> details(1);
  v1::TaskState state = v1::TASK_STATE_UNSPECIFIED;
  switch (event.event_case()) {
    case v1::TaskEvent::kState:
      state = event.state().state();
      word = StateWord(state);
      details[0] = DescribeChange(event.state(), event.attempt());
      break;
    case v1::TaskEvent::kProgress:
      word = "progress";
      details[0] = DescribeProgress(event.progress());
      break;
    case v1::TaskEvent::kLog:
      word = "log";
      details = Lines(LevelWord(event.log().level()), event.log().message());
      break;
    case v1::TaskEvent::kOutput:
      word = "output";
      details = Lines("", event.output().data());
      break;
    case v1::TaskEvent::EVENT_NOT_SET:
      word = "event";  // Of a kind that this program does not know yet.
      break;
  }
  std::string rows;
  const std::string time = Clock(event.event_time(), "%H:%M:%E3S");
  std::string id;
  if (task_ids) {
    const std::string& name = event.task();
    // As long as those that the server chooses.
    id = absl::StrFormat("%-36s  ", Printable(absl::string_view(name).substr(name.rfind('/') + 1)));
  }
  const std::string padded = absl::StrFormat("%-9s", word);
  for (const std::string& detail : details) {
    std::string row = absl::StrFormat("%s%4d  %s  %s  %s", id, event.sequence(), time,
                                      terminal.Paint(padded, state), detail);
    absl::StripTrailingAsciiWhitespace(&row);
    absl::StrAppend(&rows, row, "\n");
  }
  return rows;
}

std::string StateWord(v1::TaskState state) {
  absl::string_view name = v1::TaskState_Name(state);
  if (name.empty()) return absl::StrCat("state-", static_cast<int>(state));
  absl::ConsumePrefix(&name, "TASK_STATE_");
  return absl::AsciiStrToLower(name);
}

std::string DescribeError(const google::rpc::Status& error) {
  const auto info = FindDetail<google::rpc::ErrorInfo>(FromProto(error));
  if (!info.has_value() || info->reason().empty()) return error.message();
  return absl::StrCat(info->reason(), error.message().empty() ? "" : ": ", error.message());
}

std::string DescribeResult(const v1::TaskResult& result) {
  if (result.has_email()) {
    const auto& recipients = result.email().recipients();
    const auto accepted = std::count_if(recipients.begin(), recipients.end(),
                                        [](const v1::RecipientReply& reply) { return reply.accepted(); });
    return absl::StrCat(accepted, " of ", recipients.size(), " recipients accepted");
  }
  if (result.content_type().empty()) return "";
  return absl::StrCat(Printable(result.content_type()), ", ", result.data().size(), " bytes");
}

}  // namespace errand::cli
