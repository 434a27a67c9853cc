#include "server/handlers/lua/lua_attempt.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/task/duration.h"
#include "server/task/errors.h"
#include "server/task/limits.h"

namespace errand::handlers {
namespace {

v1::LogLevel ToProto(sandbox::LogLevel level) {
  switch (level) {
    case sandbox::LogLevel::kDebug:
      return v1::LOG_LEVEL_DEBUG;
    case sandbox::LogLevel::kInfo:
      return v1::LOG_LEVEL_INFO;
    case sandbox::LogLevel::kWarning:
      return v1::LOG_LEVEL_WARNING;
    case sandbox::LogLevel::kError:
      break;
  }
  return v1::LOG_LEVEL_ERROR;
}

const char* ContentType(sandbox::Content content) {
  switch (content) {
    case sandbox::Content::kNone:
      return "";
    case sandbox::Content::kText:
      return "text/plain; charset=utf-8";
    case sandbox::Content::kBytes:
      return "application/octet-stream";
    case sandbox::Content::kJson:
      break;
  }
  return "application/json";
}

absl::Status ToStatus(const sandbox::Done& done, const v1::Limits& limits) {
  const absl::string_view message(done.data.data(), done.data.size());
  switch (done.ending) {
    case sandbox::Ending::kOk:
      return absl::OkStatus();
    case sandbox::Ending::kError:
      break;
    case sandbox::Ending::kSyntaxError:
      return task::Error(absl::StatusCode::kInvalidArgument, "LUA_SYNTAX_ERROR", message);
    case sandbox::Ending::kResultInvalid:
      return task::Error(absl::StatusCode::kFailedPrecondition, "RESULT_INVALID", message);
    case sandbox::Ending::kMemoryExceeded:
      return task::Error(absl::StatusCode::kResourceExhausted, "MEMORY_EXCEEDED",
                         absl::StrCat("the attempt needed more than limits.memory_bytes, ",
                                      limits.memory_bytes(), " bytes"));
    case sandbox::Ending::kOutputExceeded:
      return task::Error(
          absl::StatusCode::kResourceExhausted, "OUTPUT_EXCEEDED",
          absl::StrCat("the attempt wrote more than limits.output_bytes, ", limits.output_bytes(), " bytes"));
  }
  return task::Error(absl::StatusCode::kUnknown, "LUA_ERROR", message);
}

}  // namespace

LuaAttempt::LuaAttempt(Attempt attempt, std::unique_ptr<AttemptObserver> observer)
    : attempt_(std::move(attempt)),
      observer_(std::move(observer)),
      started_(MonotonicNow()),
      run_timeout_(task::FromProto(attempt_.task->run_timeout())) {}

absl::Duration LuaAttempt::MonotonicNow() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

std::string LuaAttempt::RunFrame() const {
  const v1::Task& task = *attempt_.task;
  const v1::LuaTask& lua = task.lua();
  sandbox::Run run;
  run.memory_bytes = static_cast<uint64_t>(task.limits().memory_bytes());
  run.output_bytes = static_cast<uint64_t>(task.limits().output_bytes());
  run.attempt = attempt_.number;
  run.name = task.name();
  run.payload = lua.has_data() ? lua.data() : lua.text();
  run.source = attempt_.script != nullptr ? attempt_.script->source : lua.source();
  std::string frame;
  frame.reserve(run.name.size() + run.payload.size() + run.source.size() + sandbox::kFrameOverhead);
  sandbox::Append(run, frame);
  return frame;
}

bool LuaAttempt::Charge(size_t bytes) {
  output_bytes_ += static_cast<int64_t>(bytes);
  return output_bytes_ <= attempt_.task->limits().output_bytes();
}

bool LuaAttempt::OnEvent(const sandbox::Frame& frame) {
  v1::TaskEvent event;
  if (const auto* output = std::get_if<sandbox::Output>(&frame)) {
    if (!Charge(output->data.size())) return false;
    event.mutable_output()->mutable_data()->assign(output->data.data(), output->data.size());
  } else if (const auto* log = std::get_if<sandbox::Log>(&frame)) {
    if (!Charge(log->message.size() + 1)) return false;
    event.mutable_log()->set_level(ToProto(log->level));
    event.mutable_log()->mutable_message()->assign(log->message.data(), log->message.size());
  } else if (const auto* progress = std::get_if<sandbox::Progress>(&frame)) {
    event.mutable_progress()->set_completed(progress->completed);
    event.mutable_progress()->set_total(progress->total);
    event.mutable_progress()->mutable_message()->assign(progress->message.data(), progress->message.size());
  } else {
    return false;
  }
  observer_->OnEvent(std::move(event));
  return true;
}

void LuaAttempt::FinishDone(const sandbox::Done& done) {
  Outcome outcome;
  const bool fits = done.ending != sandbox::Ending::kOk || Charge(done.data.size());
  outcome.status = fits ? ToStatus(done, attempt_.task->limits()) : KillStatus(KillReason::kBroken, "");
  outcome.permanent = done.permanent;
  if (outcome.status.ok() && done.content != sandbox::Content::kNone) {
    outcome.result.set_content_type(ContentType(done.content));
    outcome.result.mutable_data()->assign(done.data.data(), done.data.size());
  }
  *outcome.usage.mutable_cpu_time() = task::ToProto(absl::Nanoseconds(
      static_cast<int64_t>(std::min<uint64_t>(done.cpu_nanos, static_cast<uint64_t>(INT64_MAX)))));
  outcome.usage.set_peak_memory_bytes(
      static_cast<int64_t>(std::min<uint64_t>(done.peak_memory_bytes, task::kMaxMemoryBytes)));
  Finish(std::move(outcome));
}

void LuaAttempt::FinishDead(KillReason reason, const SandboxProcess::Death& death) {
  Outcome outcome;
  outcome.status = KillStatus(reason, death.reason);
  *outcome.usage.mutable_cpu_time() =
      task::ToProto(std::max(absl::ZeroDuration(), death.cpu_time - cpu_time_before_));
  outcome.usage.set_peak_memory_bytes(death.peak_memory_bytes);
  Finish(std::move(outcome));
}

void LuaAttempt::FinishUnstarted(KillReason reason) {
  Outcome outcome;
  outcome.status = KillStatus(reason, "did not start");
  Finish(std::move(outcome));
}

void LuaAttempt::FinishUnstartable(const absl::Status& why) {
  Outcome outcome;
  outcome.status = task::Error(absl::StatusCode::kUnavailable, "SANDBOX_DIED",
                               absl::StrCat("no sandbox process can be started: ", why.message()));
  Finish(std::move(outcome));
}

absl::Status LuaAttempt::KillStatus(KillReason reason, const std::string& death) const {
  switch (reason) {
    case KillReason::kNone:
      break;
    case KillReason::kStopped:
      return task::Error(absl::StatusCode::kCancelled, "CANCELLED", "the attempt was stopped");
    case KillReason::kTimeout:
      return task::Error(
          absl::StatusCode::kDeadlineExceeded, "RUN_TIMEOUT_EXCEEDED",
          absl::StrCat("the attempt took longer than its run_timeout, ", absl::FormatDuration(run_timeout_)));
    case KillReason::kBroken:
      return task::Error(absl::StatusCode::kInternal, "SANDBOX_DIED",
                         "the sandbox process was killed because it did not keep to the protocol");
  }
  return task::Error(absl::StatusCode::kInternal, "SANDBOX_DIED",
                     absl::StrCat("the sandbox process ", death));
}

void LuaAttempt::Finish(Outcome outcome) {
  *outcome.usage.mutable_wall_time() = task::ToProto(MonotonicNow() - started_);
  outcome.usage.set_output_bytes(output_bytes_);
  observer_->OnDone(std::move(outcome));
}

}  // namespace errand::handlers
