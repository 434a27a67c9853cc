#include "server/task/validate.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/task/duration.h"
#include "server/task/errors.h"
#include "server/task/limits.h"
#include "server/task/name.h"
#include "server/task/retry.h"
#include "server/task/validate_email.h"
#include "text/utf8.h"

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

void ValidateLua(const v1::LuaTask& lua, absl::string_view path, Violations& found) {
  switch (lua.code_case()) {
    case v1::LuaTask::CODE_NOT_SET:
      found.Add(Invalid(path, "lua.source", "must be set, or lua.script: what to run"));
      break;
    case v1::LuaTask::kScript:
      found.Add(CheckScriptName(lua.script(), absl::StrCat(path, ".lua.script")));
      break;
    case v1::LuaTask::kSource:
      if (const std::string problem = SourceProblem(lua.source()); !problem.empty()) {
        found.Add(Invalid(path, "lua.source", problem));
      }
      break;
  }
  const bool is_text = lua.payload_case() == v1::LuaTask::kText;
  const size_t payload_bytes = is_text ? lua.text().size() : lua.data().size();
  if (payload_bytes > kMaxPayloadBytes) {
    found.Add(Invalid(path, is_text ? "lua.text" : "lua.data",
                      absl::StrCat("must be at most ", kMaxPayloadBytes, " bytes, not ", payload_bytes)));
  }
}

void ValidateLabels(const v1::Task& task, absl::string_view path, Violations& found) {
  if (task.labels_size() > kMaxLabels) {
    found.Add(Invalid(path, "labels",
                      absl::StrCat("must have at most ", kMaxLabels, " entries, not ", task.labels_size())));
    return;
  }
  // A map has no order of its own; which problem comes first should not change from call to call.
  std::vector<std::string> wrong_keys;
  for (const auto& [key, value] : task.labels()) {
    if (key.empty() || key.size() > kMaxLabelKeyBytes || value.size() > kMaxLabelValueBytes) {
      wrong_keys.push_back(key);
    }
  }
  std::sort(wrong_keys.begin(), wrong_keys.end());
  for (const std::string& key : wrong_keys) {
    const bool is_key = key.empty() || key.size() > kMaxLabelKeyBytes;
    found.Add(Invalid(path, absl::StrCat("labels[\"", text::Shortened(key, kMaxLabelKeyBytes), "\"]"),
                      is_key ? absl::StrCat("the key must be 1 to ", kMaxLabelKeyBytes, " bytes")
                             : absl::StrCat("the value must be at most ", kMaxLabelValueBytes, " bytes")));
  }
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

void ValidateSchedule(const v1::Task& task, absl::string_view path, absl::Time now, Violations& found) {
  absl::Time first_start = now;
  if (task.has_schedule_time()) {
    absl::Status status = ValidateTime(task.schedule_time(), path, "schedule_time");
    if (status.ok() && FromProto(task.schedule_time()) > now + absl::Seconds(kMaxScheduleAheadSeconds)) {
      status = Invalid(path, "schedule_time", "must be at most 366 days ahead");
    }
    // What follows is about a time that may be meant.
    if (status.ok()) first_start = std::max(now, FromProto(task.schedule_time()));
    found.Add(status);
  }
  if (task.has_expire_time()) {
    absl::Status status = ValidateTime(task.expire_time(), path, "expire_time");
    if (status.ok() && FromProto(task.expire_time()) <= first_start) {
      status = Invalid(path, "expire_time",
                       first_start > now ? "must be after schedule_time" : "must be in the future");
    }
    found.Add(status);
  }
  if (task.has_ttl()) {
    absl::Status status = ValidateDuration(task.ttl(), absl::StrCat(path, ".ttl"), absl::Nanoseconds(1),
                                           absl::Seconds(kMaxTtlSeconds));
    if (status.ok() && now + FromProto(task.ttl()) <= first_start) {
      status =
          Invalid(path, "ttl", "must reach beyond schedule_time: the task would expire before it may start");
    }
    found.Add(status);
  }
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
  Violations found;
  if (policy.max_attempts() < 0 || policy.max_attempts() > kMaxAttempts) {
    found.Add(Invalid(path, "max_attempts",
                      absl::StrCat("must be 1 to ", kMaxAttempts, ", not ", policy.max_attempts())));
  }
  absl::Duration longest = absl::Seconds(kMaxBackoffSeconds);
  if (policy.has_max_backoff()) {
    const absl::Status status = ValidateDuration(policy.max_backoff(), absl::StrCat(path, ".max_backoff"),
                                                 absl::Nanoseconds(1), longest);
    if (status.ok()) longest = FromProto(policy.max_backoff());
    found.Add(status);
  }
  if (policy.has_min_backoff()) {
    found.Add(ValidateDuration(policy.min_backoff(), absl::StrCat(path, ".min_backoff"), absl::Nanoseconds(1),
                               longest));
  }
  // Negated so that NaN is refused.
  if (policy.multiplier() != 0 && !(policy.multiplier() >= 1 && policy.multiplier() <= 10)) {
    found.Add(Invalid(path, "multiplier", "must be 1 to 10"));
  }
  if (policy.has_jitter() && !(policy.jitter() >= 0 && policy.jitter() <= 1)) {
    found.Add(Invalid(path, "jitter", "must be 0 to 1"));
  }
  return found.status();
}

absl::Status ValidateSource(absl::string_view source, absl::string_view path) {
  const std::string problem = SourceProblem(source);
  return problem.empty() ? absl::OkStatus() : InvalidField(path, problem);
}

absl::Status ValidateLimits(const v1::Limits& limits, absl::string_view path) {
  Violations found;
  if (limits.has_cpu_time()) {
    found.Add(ValidateDuration(limits.cpu_time(), absl::StrCat(path, ".cpu_time"), absl::Nanoseconds(1),
                               absl::Seconds(kMaxRunTimeoutSeconds)));
  }
  if (limits.memory_bytes() != 0 &&
      (limits.memory_bytes() < kMinMemoryBytes || limits.memory_bytes() > kMaxMemoryBytes)) {
    found.Add(Invalid(
        path, "memory_bytes",
        absl::StrCat("must be ", kMinMemoryBytes, " to ", kMaxMemoryBytes, ", not ", limits.memory_bytes())));
  }
  if (limits.output_bytes() < 0 || limits.output_bytes() > kMaxOutputBytes) {
    found.Add(Invalid(path, "output_bytes",
                      absl::StrCat("must be 1 to ", kMaxOutputBytes, ", not ", limits.output_bytes())));
  }
  return found.status();
}

absl::Status ValidateTask(const v1::Task& task, absl::string_view path, absl::Time now) {
  Violations found;
  switch (task.handler_case()) {
    case v1::Task::HANDLER_NOT_SET:
      found.Add(Invalid(path, "handler", "one of lua and email must be set"));
      break;
    case v1::Task::kLua:
      ValidateLua(task.lua(), path, found);
      break;
    case v1::Task::kEmail:
      found.Add(ValidateEmail(task.email(), absl::StrCat(path, ".email")));
      break;
  }
  if (task.priority() < 0 || task.priority() > kMaxPriority) {
    found.Add(
        Invalid(path, "priority", absl::StrCat("must be 0 to ", kMaxPriority, ", not ", task.priority())));
  }
  if (task.ordering_key().size() > kMaxOrderingKeyBytes) {
    found.Add(Invalid(
        path, "ordering_key",
        absl::StrCat("must be at most ", kMaxOrderingKeyBytes, " bytes, not ", task.ordering_key().size())));
  }
  ValidateLabels(task, path, found);
  ValidateSchedule(task, path, now, found);
  if (task.has_run_timeout()) {
    found.Add(ValidateDuration(task.run_timeout(), absl::StrCat(path, ".run_timeout"), absl::Nanoseconds(1),
                               absl::Seconds(kMaxRunTimeoutSeconds)));
  }
  if (task.has_retry_policy()) {
    found.Add(ValidateRetryPolicy(task.retry_policy(), absl::StrCat(path, ".retry_policy")));
  }
  if (task.has_limits()) found.Add(ValidateLimits(task.limits(), absl::StrCat(path, ".limits")));
  if (!v1::Durability_IsValid(task.durability())) {
    found.Add(Invalid(path, "durability", "must be a known durability, or unset"));
  }
  return found.status();
}

void FillDefaults(v1::Task& task) {
  if (!task.has_run_timeout()) {
    task.mutable_run_timeout()->set_seconds(task.has_email() ? kDefaultEmailRunTimeoutSeconds
                                                             : kDefaultRunTimeoutSeconds);
  }
  if (task.has_email() && !task.has_retry_policy()) {
    *task.mutable_retry_policy() = DefaultEmailRetryPolicy();
  }
  v1::Limits& limits = *task.mutable_limits();
  if (limits.memory_bytes() == 0) limits.set_memory_bytes(kDefaultMemoryBytes);
  if (limits.output_bytes() == 0) limits.set_output_bytes(kDefaultOutputBytes);
}

}  // namespace errand::task
