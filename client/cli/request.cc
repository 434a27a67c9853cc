#include "client/cli/request.h"

#include <google/protobuf/util/time_util.h>

#include <map>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/input.h"
#include "client/cli/json.h"
#include "client/cli/printable.h"
#include "client/cli/task_name.h"
#include "errand/request_id.h"

namespace errand::cli {
namespace {

absl::Status Wrong(absl::string_view flag, absl::string_view value, absl::string_view problem) {
  return absl::InvalidArgumentError(
      absl::StrCat("wrong value (", flag, ": '", Printable(value), "' ", problem, ")"));
}

void SetTime(absl::Time time, google::protobuf::Timestamp& timestamp) {
  const int64_t nanos = absl::ToUnixNanos(time);
  timestamp = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(nanos);
}

void SetDuration(absl::Duration value, google::protobuf::Duration& duration) {
  const int64_t nanos = absl::ToInt64Nanoseconds(value);
  duration = google::protobuf::util::TimeUtil::NanosecondsToDuration(nanos);
}

// A text field of the request: proto3 strings are UTF-8.
absl::Status SetText(absl::string_view flag, absl::string_view value, std::string* field) {
  absl::StatusOr<std::string> text = ReadValue(flag, value);
  if (!text.ok()) return text.status();
  if (!IsUtf8(*text))
    return absl::InvalidArgumentError(absl::StrCat("wrong value (", flag, ": is not UTF-8)"));
  *field = *std::move(text);
  return absl::OkStatus();
}

absl::Status SetCommon(const TaskFlags& flags, v1::CreateTaskRequest& request) {
  v1::Task& task = *request.mutable_task();
  for (const std::string& label : flags.labels) {
    const size_t equals = label.find('=');
    if (equals == std::string::npos) return Wrong("--label", label, "is not KEY=VALUE");
    (*task.mutable_labels())[label.substr(0, equals)] = label.substr(equals + 1);
  }
  task.set_priority(flags.priority);
  absl::Time start;
  if (!flags.at.empty() && absl::ParseTime(absl::RFC3339_full, flags.at, &start, nullptr)) {
    SetTime(start, *task.mutable_schedule_time());
  } else if (flags.delay > absl::ZeroDuration()) {
    SetTime(absl::Now() + flags.delay, *task.mutable_schedule_time());
  }
  task.set_ordering_key(flags.ordering_key);
  absl::Time expire;
  if (!flags.expire_at.empty() && absl::ParseTime(absl::RFC3339_full, flags.expire_at, &expire, nullptr)) {
    SetTime(expire, *task.mutable_expire_time());
  } else if (flags.ttl > absl::ZeroDuration()) {
    SetDuration(flags.ttl, *task.mutable_ttl());
  }
  if (flags.run_timeout > absl::ZeroDuration()) SetDuration(flags.run_timeout, *task.mutable_run_timeout());
  if (flags.max_attempts > 0) task.mutable_retry_policy()->set_max_attempts(flags.max_attempts);
  return absl::OkStatus();
}

absl::Status SetLua(const TaskFlags& flags, v1::CreateTaskRequest& request) {
  v1::LuaTask& lua = *request.mutable_task()->mutable_lua();
  if (!flags.script.empty()) {
    lua.set_script(ExpandScriptName(flags.script));
  } else {
    absl::StatusOr<std::string> source = ReadSource(flags.script_file);
    if (!source.ok()) return source.status();
    lua.set_source(*std::move(source));
  }
  if (!flags.payload.empty()) {
    absl::StatusOr<std::string> payload = ReadValue("--payload", flags.payload);
    if (!payload.ok()) return payload.status();
    if (IsUtf8(*payload)) {
      lua.set_text(*std::move(payload));
    } else {
      lua.set_data(*std::move(payload));
    }
  }
  if (flags.memory_bytes != 0) request.mutable_task()->mutable_limits()->set_memory_bytes(flags.memory_bytes);
  if (flags.cpu_time > absl::ZeroDuration()) {
    SetDuration(flags.cpu_time, *request.mutable_task()->mutable_limits()->mutable_cpu_time());
  }
  return absl::OkStatus();
}

std::string MediaType(absl::string_view filename) {
  static const std::map<std::string, const char*> kTypes = {
      {"csv", "text/csv"},        {"gif", "image/gif"},       {"gz", "application/gzip"},
      {"htm", "text/html"},       {"html", "text/html"},      {"ics", "text/calendar"},
      {"jpeg", "image/jpeg"},     {"jpg", "image/jpeg"},      {"json", "application/json"},
      {"md", "text/markdown"},    {"pdf", "application/pdf"}, {"png", "image/png"},
      {"svg", "image/svg+xml"},   {"txt", "text/plain"},      {"webp", "image/webp"},
      {"xml", "application/xml"}, {"zip", "application/zip"},
  };
  const size_t dot = filename.rfind('.');
  if (dot == absl::string_view::npos) return "application/octet-stream";
  const auto found = kTypes.find(absl::AsciiStrToLower(filename.substr(dot + 1)));
  return found == kTypes.end() ? "application/octet-stream" : found->second;
}

absl::Status SetEmail(const TaskFlags& flags, v1::CreateTaskRequest& request) {
  v1::EmailTask& email = *request.mutable_task()->mutable_email();
  email.set_from(flags.from);
  for (const std::string& address : flags.to) email.add_to(address);
  for (const std::string& address : flags.cc) email.add_cc(address);
  for (const std::string& address : flags.bcc) email.add_bcc(address);
  email.set_reply_to(flags.reply_to);
  email.set_subject(flags.subject);
  absl::Status status = SetText("--text", flags.text, email.mutable_text());
  if (status.ok()) status = SetText("--html", flags.html, email.mutable_html());
  if (!status.ok()) return status;
  for (const std::string& header : flags.headers) {
    const size_t colon = header.find(':');
    if (colon == std::string::npos) return Wrong("--header", header, "is not 'NAME: VALUE'");
    const std::string name = header.substr(0, colon);
    if (email.headers().count(name) > 0) return Wrong("--header", header, "was given before");
    (*email.mutable_headers())[name] =
        std::string(absl::StripLeadingAsciiWhitespace(header.substr(colon + 1)));
  }
  for (const std::string& path : flags.attachments) {
    absl::StatusOr<std::string> bytes = ReadInput("the attachment", path);
    if (!bytes.ok()) return bytes.status();
    v1::Attachment& attachment = *email.add_attachments();
    attachment.set_filename(path.substr(path.rfind('/') + 1));
    attachment.set_content_type(MediaType(attachment.filename()));
    attachment.set_data(*std::move(bytes));
  }
  return absl::OkStatus();
}

// What is typed on a command line need not be UTF-8, and serializing would only log that.
absl::Status CheckUtf8(const TaskFlags& flags) {
  const auto check = [](absl::string_view flag, const std::vector<std::string>& values) {
    for (const std::string& value : values) {
      if (!IsUtf8(value)) return Wrong(flag, value, "is not UTF-8");
    }
    return absl::OkStatus();
  };
  absl::Status status = check("--queue", {flags.queue});
  status.Update(check("--id", {flags.id}));
  status.Update(check("--request-id", {flags.request_id}));
  status.Update(check("--script", {flags.script}));
  status.Update(check("--label", flags.labels));
  status.Update(check("--ordering-key", {flags.ordering_key}));
  status.Update(check("--from", {flags.from}));
  status.Update(check("--to", flags.to));
  status.Update(check("--cc", flags.cc));
  status.Update(check("--bcc", flags.bcc));
  status.Update(check("--reply-to", {flags.reply_to}));
  status.Update(check("--subject", {flags.subject}));
  status.Update(check("--header", flags.headers));
  status.Update(check("--attach", flags.attachments));
  return status;
}

}  // namespace

absl::StatusOr<std::string> ReadSource(const std::string& file) {
  absl::StatusOr<std::string> source = ReadInput("the script", file);
  if (source.ok() && !IsUtf8(*source)) return Wrong("FILE", file, "is not a Lua source text in UTF-8");
  return source;
}

absl::StatusOr<v1::CreateTaskRequest> BuildRequest(const TaskFlags& flags) {
  absl::Status status = CheckUtf8(flags);
  if (!status.ok()) return status;
  v1::CreateTaskRequest request;
  if (flags.kind == TaskFlags::Kind::kJson) {
    absl::StatusOr<std::string> json = ReadInput("the request", flags.json_file);
    if (!json.ok()) return json.status();
    const std::string source = flags.json_file == "-" ? "standard input" : flags.json_file;
    absl::StatusOr<v1::CreateTaskRequest> parsed = RequestFromJson(Printable(source), *json);
    if (!parsed.ok()) return parsed.status();
    request = *std::move(parsed);
  } else {
    status = flags.kind == TaskFlags::Kind::kLua ? SetLua(flags, request) : SetEmail(flags, request);
    if (status.ok()) status = SetCommon(flags, request);
    if (!status.ok()) return status;
  }
  if (!flags.queue.empty()) request.set_parent(ExpandQueueName(flags.queue));
  if (!flags.id.empty()) request.set_task_id(flags.id);
  if (!flags.request_id.empty()) request.set_request_id(flags.request_id);
  if (request.request_id().empty()) request.set_request_id(NewRequestId());
  return request;
}

}  // namespace errand::cli
