#include "server/task/validate.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/task/duration.h"
#include "server/task/errors.h"
#include "server/task/limits.h"
#include "server/task/name.h"
#include "server/task/validate_email.h"

namespace errand::task {
namespace {

// The path is only put together when there is something to complain about.
absl::Status Invalid(absl::string_view path, absl::string_view field, absl::string_view problem) {
  return InvalidField(absl::StrCat(path, ".", field), problem);
}

// Empty where there is none.
std::string SourceProblem(absl::string_view source) {
  if (source.empty()) return "must not be empty";
  if (source.size() > kMaxSourceBytes) {
    return absl::StrCat("must be at most ", kMaxSourceBytes, " bytes, not ", source.size());
  }
  // LUA_SIGNATURE starts with ESC; source text cannot.
  if (source.front() == '\x1b') return "must be source text, not a precompiled chunk";
  return "";
}

absl::Status ValidateLua(const v1::LuaTask& lua, absl::string_view path) {
  switch (lua.code_case()) {
    case v1::LuaTask::CODE_NOT_SET:
      return Invalid(path, "lua.source", "must be set, or lua.script: what to run");
    case v1::LuaTask::kScript: {
      absl::Status status = CheckScriptName(lua.script(), absl::StrCat(path, ".lua.script"));
      if (!status.ok()) return status;
      break;
    }
    case v1::LuaTask::kSource:
      if (const std::string problem = SourceProblem(lua.source()); !problem.empty()) {
        return Invalid(path, "lua.source", problem);
      }
      break;
  }
  const bool is_text = lua.payload_case() == v1::LuaTask::kText;
  const size_t payload_bytes = is_text ? lua.text().size() : lua.data().size();
  if (payload_bytes > kMaxPayloadBytes) {
    return Invalid(path, is_text ? "lua.text" : "lua.data",
                   absl::StrCat("must be at most ", kMaxPayloadBytes, " bytes, not ", payload_bytes));
  }
  return absl::OkStatus();
}

absl::Status ValidateLabels(const v1::Task& task, absl::string_view path) {
  if (task.labels_size() > kMaxLabels) {
    return Invalid(path, "labels",
                   absl::StrCat("must have at most ", kMaxLabels, " entries, not ", task.labels_size()));
  }
  for (const auto& [key, value] : task.labels()) {
    if (key.empty() || key.size() > kMaxLabelKeyBytes) {
      return Invalid(path, absl::StrCat("labels[\"", key, "\"]"),
                     absl::StrCat("the key must be 1 to ", kMaxLabelKeyBytes, " bytes"));
    }
    if (value.size() > kMaxLabelValueBytes) {
      return Invalid(path, absl::StrCat("labels[\"", key, "\"]"),
                     absl::StrCat("the value must be at most ", kMaxLabelValueBytes, " bytes"));
    }
  }
  return absl::OkStatus();
}

// Within the range of google/protobuf/timestamp.proto.
absl::Status ValidateTime(const google::protobuf::Timestamp& time, absl::string_view path,
                          absl::string_view field) {
  if (time.seconds() < -62135596800 || time.seconds() > 253402300799 || time.nanos() < 0 ||
      time.nanos() > 999999999) {
    return Invalid(path, field, "must be a valid time: years 1 to 9999, nanos from 0 to 999999999");
  }
  return absl::OkStatus();
}

absl::Status ValidateSchedule(const v1::Task& task, absl::string_view path, absl::Time now) {
  absl::Time first_start = now;
  if (task.has_schedule_time()) {
    absl::Status status = ValidateTime(task.schedule_time(), path, "schedule_time");
    if (!status.ok()) return status;
    const absl::Time schedule_time = FromProto(task.schedule_time());
    if (schedule_time > now + absl::Seconds(kMaxScheduleAheadSeconds)) {
      return Invalid(path, "schedule_time", "must be at most 366 days ahead");
    }
    first_start = std::max(now, schedule_time);
  }
  if (task.has_expire_time()) {
    absl::Status status = ValidateTime(task.expire_time(), path, "expire_time");
    if (!status.ok()) return status;
    if (FromProto(task.expire_time()) <= first_start) {
      return Invalid(path, "expire_time",
                     first_start > now ? "must be after schedule_time" : "must be in the future");
    }
  }
  if (task.has_ttl()) {
    absl::Status status = ValidateDuration(task.ttl(), absl::StrCat(path, ".ttl"), absl::Nanoseconds(1),
                                           absl::Seconds(kMaxTtlSeconds));
    if (!status.ok()) return status;
    if (now + FromProto(task.ttl()) <= first_start) {
      return Invalid(path, "ttl",
                     "must reach beyond schedule_time: the task would expire before it may start");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateDuration(const google::protobuf::Duration& duration, absl::string_view field,
                              absl::Duration min, absl::Duration max) {
  const bool mixed_signs =
      (duration.seconds() > 0 && duration.nanos() < 0) || (duration.seconds() < 0 && duration.nanos() > 0);
  const absl::Duration value = FromProto(duration);
  if (mixed_signs || duration.nanos() <= -1'000'000'000 || duration.nanos() >= 1'000'000'000 || value < min ||
      value > max) {
    const std::string low =
        min == absl::Nanoseconds(1) ? "more than zero" : absl::StrCat("at least ", absl::FormatDuration(min));
    return InvalidField(field,
                        absl::StrCat("must be ", low, " and at most ", absl::FormatDuration(max), ", not ",
                                     duration.seconds(), " s and ", duration.nanos(), " ns"));
  }
  return absl::OkStatus();
}

absl::Status ValidateRetryPolicy(const v1::RetryPolicy& policy, absl::string_view path) {
  if (policy.max_attempts() < 0 || policy.max_attempts() > kMaxAttempts) {
    return Invalid(path, "max_attempts",
                   absl::StrCat("must be 1 to ", kMaxAttempts, ", not ", policy.max_attempts()));
  }
  const absl::Duration longest = absl::Seconds(kMaxBackoffSeconds);
  if (policy.has_max_backoff()) {
    absl::Status status = ValidateDuration(policy.max_backoff(), absl::StrCat(path, ".max_backoff"),
                                           absl::Nanoseconds(1), longest);
    if (!status.ok()) return status;
  }
  if (policy.has_min_backoff()) {
    const absl::Duration max_backoff = policy.has_max_backoff() ? FromProto(policy.max_backoff()) : longest;
    absl::Status status = ValidateDuration(policy.min_backoff(), absl::StrCat(path, ".min_backoff"),
                                           absl::Nanoseconds(1), max_backoff);
    if (!status.ok()) return status;
  }
  // Negated so that NaN is refused.
  if (policy.multiplier() != 0 && !(policy.multiplier() >= 1 && policy.multiplier() <= 10)) {
    return Invalid(path, "multiplier", "must be 1 to 10");
  }
  return absl::OkStatus();
}

absl::Status ValidateSource(absl::string_view source, absl::string_view path) {
  const std::string problem = SourceProblem(source);
  return problem.empty() ? absl::OkStatus() : InvalidField(path, problem);
}

absl::Status ValidateLimits(const v1::Limits& limits, absl::string_view path) {
  if (limits.has_cpu_time()) {
    absl::Status status = ValidateDuration(limits.cpu_time(), absl::StrCat(path, ".cpu_time"),
                                           absl::Nanoseconds(1), absl::Seconds(kMaxRunTimeoutSeconds));
    if (!status.ok()) return status;
  }
  if (limits.memory_bytes() != 0 &&
      (limits.memory_bytes() < kMinMemoryBytes || limits.memory_bytes() > kMaxMemoryBytes)) {
    return Invalid(
        path, "memory_bytes",
        absl::StrCat("must be ", kMinMemoryBytes, " to ", kMaxMemoryBytes, ", not ", limits.memory_bytes()));
  }
  if (limits.output_bytes() < 0 || limits.output_bytes() > kMaxOutputBytes) {
    return Invalid(path, "output_bytes",
                   absl::StrCat("must be 1 to ", kMaxOutputBytes, ", not ", limits.output_bytes()));
  }
  return absl::OkStatus();
}

absl::Status ValidateTask(const v1::Task& task, absl::string_view path, absl::Time now) {
  absl::Status status;
  switch (task.handler_case()) {
    case v1::Task::HANDLER_NOT_SET:
      return Invalid(path, "handler", "one of lua and email must be set");
    case v1::Task::kLua:
      status = ValidateLua(task.lua(), path);
      break;
    case v1::Task::kEmail:
      status = ValidateEmail(task.email(), absl::StrCat(path, ".email"));
      break;
  }
  if (!status.ok()) return status;
  if (task.priority() < 0 || task.priority() > kMaxPriority) {
    return Invalid(path, "priority", absl::StrCat("must be 0 to ", kMaxPriority, ", not ", task.priority()));
  }
  if (task.ordering_key().size() > kMaxOrderingKeyBytes) {
    return Invalid(
        path, "ordering_key",
        absl::StrCat("must be at most ", kMaxOrderingKeyBytes, " bytes, not ", task.ordering_key().size()));
  }
  if (status = ValidateLabels(task, path); !status.ok()) return status;
  if (status = ValidateSchedule(task, path, now); !status.ok()) return status;
  if (task.has_run_timeout()) {
    status = ValidateDuration(task.run_timeout(), absl::StrCat(path, ".run_timeout"), absl::Nanoseconds(1),
                              absl::Seconds(kMaxRunTimeoutSeconds));
    if (!status.ok()) return status;
  }
  if (task.has_retry_policy()) {
    if (status = ValidateRetryPolicy(task.retry_policy(), absl::StrCat(path, ".retry_policy")); !status.ok())
      return status;
  }
  if (task.has_limits()) {
    if (status = ValidateLimits(task.limits(), absl::StrCat(path, ".limits")); !status.ok()) return status;
  }
  if (!v1::Durability_IsValid(task.durability())) {
    return Invalid(path, "durability", "must be a known durability, or unset");
  }
  return absl::OkStatus();
}

void FillDefaults(v1::Task& task) {
  if (!task.has_run_timeout()) task.mutable_run_timeout()->set_seconds(kDefaultRunTimeoutSeconds);
  v1::Limits& limits = *task.mutable_limits();
  if (limits.memory_bytes() == 0) limits.set_memory_bytes(kDefaultMemoryBytes);
  if (limits.output_bytes() == 0) limits.set_output_bytes(kDefaultOutputBytes);
}

}  // namespace errand::task
