#include "server/task/errors.h"

#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "google/rpc/error_details.pb.h"
#include "text/utf8.h"

namespace errand::task {
namespace {

// Where an ErrorInfo names the field that is to blame.
constexpr char kFieldKey[] = "field";

// An error says each of them up to three times.
constexpr size_t kMaxField = 256;
constexpr size_t kMaxProblem = 512;

template <class Detail>
std::string TypeUrl() {
  return absl::StrCat("type.googleapis.com/", Detail::descriptor()->full_name());
}

template <class Detail>
void Attach(absl::Status& status, const Detail& detail) {
  status.SetPayload(TypeUrl<Detail>(), absl::Cord(detail.SerializeAsString()));
}

// False where the status has no such detail.
template <class Detail>
bool Read(const absl::Status& status, Detail& detail) {
  const auto payload = status.GetPayload(TypeUrl<Detail>());
  return payload.has_value() && detail.ParseFromString(std::string(*payload));
}

void AttachRetryInfo(absl::Status& status, absl::Duration retry_after) {
  google::rpc::RetryInfo retry;
  *retry.mutable_retry_delay() =
      google::protobuf::util::TimeUtil::MillisecondsToDuration(absl::ToInt64Milliseconds(retry_after));
  Attach(status, retry);
}

}  // namespace

absl::Status Error(absl::StatusCode code, absl::string_view reason, absl::string_view message,
                   Metadata metadata) {
  absl::Status status(code, message);
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(reason));
  info.set_domain(std::string(kErrorDomain));
  for (const auto& [key, value] : metadata) (*info.mutable_metadata())[std::string(key)] = std::string(value);
  Attach(status, info);
  return status;
}

absl::Status InvalidField(absl::string_view long_field, absl::string_view long_problem) {
  const std::string field = text::Shortened(long_field, kMaxField);
  const std::string problem = text::Shortened(long_problem, kMaxProblem);
  absl::Status status = Error(absl::StatusCode::kInvalidArgument, "INVALID_FIELD",
                              absl::StrCat(field, ": ", problem), {{kFieldKey, field}});
  google::rpc::BadRequest bad;
  auto* violation = bad.add_field_violations();
  violation->set_field(field);
  violation->set_description(problem);
  Attach(status, bad);
  return status;
}

void Violations::Add(const absl::Status& status) {
  if (status.ok()) return;
  if (first_.ok()) first_ = status;
  google::rpc::BadRequest bad;
  if (!Read(status, bad)) {
    ++count_;
    return;
  }
  for (auto& violation : *bad.mutable_field_violations()) {
    ++count_;
    if (full()) continue;
    bytes_ += violation.field().size() + violation.description().size();
    fields_.push_back(std::move(violation));
  }
}

absl::Status Violations::status() const {
  if (count_ <= 1) return first_;
  absl::Status all(first_.code(), absl::StrCat(first_.message(), " (and ", count_ - 1, " more)"));
  first_.ForEachPayload(
      [&](absl::string_view type_url, const absl::Cord& payload) { all.SetPayload(type_url, payload); });
  google::rpc::BadRequest bad;
  for (const auto& field : fields_) *bad.add_field_violations() = field;
  if (!fields_.empty()) Attach(all, bad);
  return all;
}

absl::Status InvalidSource(absl::string_view field, const std::vector<ScriptProblem>& problems) {
  if (problems.empty()) return absl::OkStatus();
  google::rpc::BadRequest bad;
  for (const ScriptProblem& problem : problems) {
    std::string place;
    if (problem.line > 0) absl::StrAppend(&place, "line ", problem.line);
    if (problem.column > 0) absl::StrAppend(&place, ", column ", problem.column);
    auto* violation = bad.add_field_violations();
    violation->set_field(std::string(field));
    violation->set_description(
        absl::StrCat(place, place.empty() ? "" : ": ", text::Shortened(problem.message, kMaxProblem)));
  }
  const ScriptProblem& first = problems.front();
  absl::Status status = Error(absl::StatusCode::kInvalidArgument, "LUA_SYNTAX_ERROR",
                              absl::StrCat(field, ": ", bad.field_violations(0).description()),
                              {{kFieldKey, field},
                               {"line", absl::StrCat(first.line)},
                               {"column", absl::StrCat(first.column)},
                               {"message", text::Shortened(first.message, kMaxProblem)}});
  Attach(status, bad);
  return status;
}

absl::Status NotFound(absl::string_view type, absl::string_view name, absl::string_view field) {
  const std::string reason = absl::StrCat(absl::AsciiStrToUpper(type), "_NOT_FOUND");
  const std::string message = absl::StrCat("there is no ", type, " '", name, "'");
  absl::Status status = field.empty()
                            ? Error(absl::StatusCode::kNotFound, reason, message, {{"name", name}})
                            : Error(absl::StatusCode::kNotFound, reason, absl::StrCat(field, ": ", message),
                                    {{"name", name}, {kFieldKey, field}});
  google::rpc::ResourceInfo resource;
  resource.set_resource_type(absl::StrCat("errand.dev/", type));
  resource.set_resource_name(std::string(name));
  resource.set_description("it was never created, or is no longer kept");
  Attach(status, resource);
  return status;
}

absl::Status NoHandler(absl::string_view kind, absl::string_view why) {
  const std::string problem = absl::StrCat("this server runs no tasks with `", kind, "`: ", why);
  absl::Status status =
      Error(absl::StatusCode::kFailedPrecondition, "NO_HANDLER", problem, {{"handler", kind}});
  google::rpc::PreconditionFailure failure;
  auto* violation = failure.add_violations();
  violation->set_type("HANDLER");
  violation->set_subject(std::string(kind));
  violation->set_description(problem);
  Attach(status, failure);
  return status;
}

absl::Status QueueFull(absl::string_view queue, absl::string_view problem, absl::Duration retry_after) {
  absl::Status status = Error(absl::StatusCode::kResourceExhausted, "QUEUE_FULL",
                              absl::StrCat(queue, " is full: ", problem), {{"queue", queue}});
  google::rpc::QuotaFailure quota;
  auto* violation = quota.add_violations();
  violation->set_subject(std::string(queue));
  violation->set_description(std::string(problem));
  Attach(status, quota);
  AttachRetryInfo(status, retry_after);
  return status;
}

absl::Status MemoryFull(absl::string_view problem, absl::Duration retry_after) {
  absl::Status status = Error(absl::StatusCode::kResourceExhausted, "MEMORY_FULL",
                              absl::StrCat("the server's memory is full: ", problem));
  google::rpc::QuotaFailure quota;
  auto* violation = quota.add_violations();
  violation->set_subject("memory");
  violation->set_description(std::string(problem));
  Attach(status, quota);
  AttachRetryInfo(status, retry_after);
  return status;
}

absl::Status AnswersFull(absl::Duration retry_after) {
  absl::Status status =
      Error(absl::StatusCode::kResourceExhausted, "ANSWERS_FULL",
            "answers that clients have not read yet take all the memory that there is for them");
  AttachRetryInfo(status, retry_after);
  return status;
}

absl::Status DiskFull(absl::string_view problem, absl::Duration retry_after) {
  absl::Status status = Error(absl::StatusCode::kResourceExhausted, "DISK_FULL", problem);
  AttachRetryInfo(status, retry_after);
  return status;
}

absl::Status ScriptsFull(absl::string_view problem) {
  absl::Status status = Error(absl::StatusCode::kResourceExhausted, "SCRIPTS_FULL", problem);
  google::rpc::QuotaFailure quota;
  auto* violation = quota.add_violations();
  violation->set_subject("scripts");
  violation->set_description(std::string(problem));
  Attach(status, quota);
  return status;
}

absl::Status TryAgain(absl::string_view reason, absl::string_view message, absl::Duration retry_after) {
  absl::Status status = Error(absl::StatusCode::kUnavailable, reason, message);
  AttachRetryInfo(status, retry_after);
  return status;
}

absl::Status ShuttingDown() {
  return TryAgain("SHUTTING_DOWN", "the server is shutting down; retry with the same request_id",
                  absl::Seconds(1));
}

bool NamesField(const absl::Status& status) {
  google::rpc::ErrorInfo info;
  return Read(status, info) && info.metadata().count(kFieldKey) > 0;
}

absl::Status At(absl::string_view path, const absl::Status& status) {
  if (status.ok()) return status;
  const bool names_field = NamesField(status);
  absl::Status result(status.code(), absl::StrCat(path, names_field ? "." : ": ", status.message()));
  status.ForEachPayload(
      [&](absl::string_view type_url, const absl::Cord& payload) { result.SetPayload(type_url, payload); });
  if (!names_field) return result;
  if (google::rpc::BadRequest bad; Read(status, bad)) {
    for (auto& violation : *bad.mutable_field_violations()) {
      violation.set_field(absl::StrCat(path, ".", violation.field()));
    }
    Attach(result, bad);
  }
  if (google::rpc::ErrorInfo info; Read(status, info)) {
    std::string& field = info.mutable_metadata()->at(kFieldKey);
    field = absl::StrCat(path, ".", field);
    Attach(result, info);
  }
  return result;
}

google::rpc::Status ToProto(const absl::Status& status) {
  google::rpc::Status proto;
  if (status.ok()) return proto;
  proto.set_code(static_cast<int>(status.code()));
  proto.set_message(std::string(status.message()));
  status.ForEachPayload([&](absl::string_view type_url, const absl::Cord& payload) {
    auto* detail = proto.add_details();
    detail->set_type_url(std::string(type_url));
    detail->set_value(std::string(payload));
  });
  return proto;
}

}  // namespace errand::task
