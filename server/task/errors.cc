#include "server/task/errors.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "google/rpc/error_details.pb.h"

namespace errand::task {
namespace {

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

absl::Status InvalidField(absl::string_view field, absl::string_view problem) {
  absl::Status status = Error(absl::StatusCode::kInvalidArgument, "INVALID_FIELD",
                              absl::StrCat(field, ": ", problem), {{"field", field}});
  google::rpc::BadRequest bad;
  auto* violation = bad.add_field_violations();
  violation->set_field(std::string(field));
  violation->set_description(std::string(problem));
  Attach(status, bad);
  return status;
}

absl::Status NotFound(absl::string_view type, absl::string_view name) {
  absl::Status status =
      Error(absl::StatusCode::kNotFound, absl::StrCat(absl::AsciiStrToUpper(type), "_NOT_FOUND"),
            absl::StrCat("there is no ", type, " '", name, "'"), {{"name", name}});
  google::rpc::ResourceInfo resource;
  resource.set_resource_type(absl::StrCat("errand.dev/", type));
  resource.set_resource_name(std::string(name));
  resource.set_description("it was never created, or is no longer kept");
  Attach(status, resource);
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

absl::Status ShuttingDown() {
  absl::Status status = Error(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
                              "the server is shutting down; retry with the same request_id");
  AttachRetryInfo(status, absl::Seconds(1));
  return status;
}

absl::Status At(absl::string_view path, const absl::Status& status) {
  if (status.ok()) return status;
  google::rpc::BadRequest bad;
  const bool names_field = Read(status, bad) && bad.field_violations_size() > 0;
  absl::Status result(status.code(), absl::StrCat(path, names_field ? "." : ": ", status.message()));
  status.ForEachPayload(
      [&](absl::string_view type_url, const absl::Cord& payload) { result.SetPayload(type_url, payload); });
  if (!names_field) return result;
  for (auto& violation : *bad.mutable_field_violations()) {
    violation.set_field(absl::StrCat(path, ".", violation.field()));
  }
  Attach(result, bad);
  google::rpc::ErrorInfo info;
  if (Read(status, info)) {
    const auto field = info.mutable_metadata()->find("field");
    if (field != info.mutable_metadata()->end()) field->second = absl::StrCat(path, ".", field->second);
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
