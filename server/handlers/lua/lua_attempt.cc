#include "server/handlers/lua/lua_attempt.h"

#include <algorithm>
#include <chrono>
#include <limits>
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

// A time beyond any clock is one that does not come.
absl::Duration FromNanos(uint64_t nanos) {
  return absl::Nanoseconds(
      static_cast<int64_t>(std::min<uint64_t>(nanos, std::numeric_limits<int64_t>::max())));
}

// More progress than a worker sends: a few reports with each write, which come every few milliseconds, after
// 32 KiB, or as the script is parked.
constexpr int64_t kMaxProgressReports = 1000;
constexpr int64_t kMaxProgressReportsPerSecond = 10'000;
constexpr int64_t kBytesForAProgressReport = 1024;
constexpr int64_t kProgressReportsBeforeParking = 10;

}  // namespace

LuaAttempt::LuaAttempt(Attempt attempt, std::unique_ptr<AttemptObserver> observer, int64_t max_memory_bytes)
    : id_(attempt.id),
      observer_(std::move(observer)),
      task_(std::move(attempt.task)),
      registered_(std::move(attempt.script)),
      number_(attempt.number),
      started_(MonotonicNow()),
      run_timeout_(task::FromProto(task_->run_timeout())),
      deadline_(started_ + run_timeout_),
      memory_limit_(std::min(task_->limits().memory_bytes(), max_memory_bytes)),
      lowered_(memory_limit_ < task_->limits().memory_bytes()),
      output_limit_(task_->limits().output_bytes()),
      cpu_limit_(task_->limits().has_cpu_time() ? task::FromProto(task_->limits().cpu_time())
                                                : absl::InfiniteDuration()),
      task_name_(task_->name()),
      queue_(task_name_.substr(0, task_name_.find("/tasks/"))),
      lease_token_(attempt.lease_token),
      weight_(attempt.weight) {}

absl::Duration LuaAttempt::MonotonicNow() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

void LuaAttempt::AppendFrame(uint64_t seed, absl::Duration epoch, std::string& batch) const {
  if (is_parked()) {
    sandbox::Resume resume;
    resume.attempt = id_;
    resume.script = cached_ == nullptr ? 0 : cached_->number;
    if (has_answer()) {
      resume.answered = true;
      resume.ok = answer_->ok();
      resume.answer = answer_->ok() ? std::string_view(**answer_)
                                    : std::string_view(answer_->status().message().data(),
                                                       answer_->status().message().size());
    }
    resume.difference = difference_;
    sandbox::Append(resume, batch);
    return;
  }
  const v1::LuaTask& lua = task_->lua();
  sandbox::Run run;
  run.attempt = id_;
  run.memory_bytes = static_cast<uint64_t>(memory_limit_);
  run.output_bytes = static_cast<uint64_t>(output_limit_);
  run.cpu_nanos = static_cast<uint64_t>(absl::ToInt64Nanoseconds(cpu_limit_));
  run.seed = seed;
  run.deadline = absl::ToDoubleSeconds(deadline_ - epoch);
  run.number = number_;
  run.name = task_->name();
  run.payload = lua.has_data() ? lua.data() : lua.text();
  if (cached_ != nullptr) {
    run.script = cached_->number;
  } else {
    run.source = lua.source();
  }
  sandbox::Append(run, batch);
}

void LuaAttempt::Park(const sandbox::Parked& parked, const SandboxProcess& process) {
  ++times_parked_;
  generation_ = process.generation();
  parked_by_ = process.pid();
  why_parked_ = parked.why;
  wake_time_ = FromNanos(parked.wake_nanos);
  cpu_time_parked_ = FromNanos(parked.cpu_nanos);
  difference_ = std::string(parked.difference);  // As large as it has to be, and no larger.
  answer_ = nullptr;
  task_ = nullptr;
  registered_ = nullptr;
}

void LuaAttempt::Hold(const sandbox::Waits& waits) {
  why_parked_ = waits.why;
  wake_time_ = FromNanos(waits.wake_nanos);
  std::string().swap(difference_);
  answer_ = nullptr;
  task_ = nullptr;
  registered_ = nullptr;
}

size_t LuaAttempt::bytes() const {
  size_t bytes = sizeof *this + difference_.size();
  if (task_ != nullptr) {
    const v1::LuaTask& lua = task_->lua();
    bytes += sizeof *task_ + lua.source().size() + lua.data().size() + lua.text().size();
  }
  return bytes;
}

bool LuaAttempt::Charge(size_t bytes) {
  output_bytes_ += static_cast<int64_t>(bytes);
  return output_bytes_ <= output_limit_;
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
    const absl::Duration since = MonotonicNow() - started_;
    ++progress_reports_;
    if (progress_reports_ > kMaxProgressReports + output_bytes_ / kBytesForAProgressReport +
                                times_parked_ * kProgressReportsBeforeParking +
                                kMaxProgressReportsPerSecond * (1 + absl::ToInt64Seconds(since))) {
      return false;
    }
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
  outcome.status = EndingStatus(done);
  outcome.permanent = done.permanent;
  if (done.ending == sandbox::Ending::kOk && !Charge(done.data.size())) {
    kill_reason_ = KillReason::kBroken;
    outcome.status = KillStatus("");
  }
  if (outcome.status.ok() && done.content != sandbox::Content::kNone) {
    outcome.result.set_content_type(ContentType(done.content));
    outcome.result.mutable_data()->assign(done.data.data(), done.data.size());
  }
  *outcome.usage.mutable_cpu_time() = task::ToProto(FromNanos(done.cpu_nanos));
  outcome.usage.set_peak_memory_bytes(
      static_cast<int64_t>(std::min<uint64_t>(done.peak_memory_bytes, task::kMaxMemoryBytes)));
  Finish(std::move(outcome));
}

void LuaAttempt::FinishDead(const SandboxProcess::Death& death) {
  Outcome outcome;
  if (kill_reason_ == KillReason::kNone && death.ending != sandbox::Ending::kOk) {
    outcome.status = death.ending == sandbox::Ending::kCpuExceeded ? CpuExceeded() : MemoryExceeded();
  } else {
    outcome.status = KillStatus(absl::StrCat("the sandbox process ", death.reason));
  }
  *outcome.usage.mutable_cpu_time() =
      task::ToProto(cpu_time_parked_ + std::max(absl::ZeroDuration(), death.cpu_time - cpu_time_before_));
  outcome.usage.set_peak_memory_bytes(death.peak_memory_bytes);
  Finish(std::move(outcome));
}

void LuaAttempt::FinishElsewhere() {
  Outcome outcome;
  outcome.status = KillStatus("the sandbox process did not start");
  *outcome.usage.mutable_cpu_time() = task::ToProto(cpu_time_parked_);
  Finish(std::move(outcome));
}

void LuaAttempt::FinishUnstartable(const absl::Status& why) {
  Outcome outcome;
  outcome.status = task::Error(absl::StatusCode::kUnavailable, "SANDBOX_DIED",
                               absl::StrCat("no sandbox process can be started: ", why.message()));
  Finish(std::move(outcome));
}

void LuaAttempt::FinishLost() {
  Outcome outcome;
  outcome.status = task::Error(absl::StatusCode::kInternal, "SANDBOX_DIED",
                               "the sandbox was restarted while the script was parked");
  *outcome.usage.mutable_cpu_time() = task::ToProto(cpu_time_parked_);
  Finish(std::move(outcome));
}

absl::Status LuaAttempt::EndingStatus(const sandbox::Done& done) const {
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
      return MemoryExceeded();
    case sandbox::Ending::kOutputExceeded:
      return task::Error(
          absl::StatusCode::kResourceExhausted, "OUTPUT_EXCEEDED",
          absl::StrCat("the attempt wrote more than limits.output_bytes, ", output_limit_, " bytes"));
    case sandbox::Ending::kCpuExceeded:
      return CpuExceeded();
    case sandbox::Ending::kStopped:
      return KillStatus("the sandbox process stopped it unasked");
    case sandbox::Ending::kBroken:
      return task::Error(absl::StatusCode::kInternal, "SANDBOX_DIED",
                         "the sandbox process could not go on with the parked script");
  }
  return task::Error(absl::StatusCode::kUnknown, "LUA_ERROR", message);
}

absl::Status LuaAttempt::CpuExceeded() const {
  return task::Error(absl::StatusCode::kResourceExhausted, "CPU_TIME_EXCEEDED",
                     absl::StrCat("the attempt used more CPU time than limits.cpu_time, ",
                                  absl::FormatDuration(cpu_limit_)));
}

absl::Status LuaAttempt::MemoryExceeded() const {
  const absl::string_view which =
      lowered_ ? "the server's --lua_memory_limit lets it have, " : "limits.memory_bytes, ";
  return task::Error(absl::StatusCode::kResourceExhausted, "MEMORY_EXCEEDED",
                     absl::StrCat("the attempt needed more than ", which, memory_limit_, " bytes"));
}

absl::Status LuaAttempt::KillStatus(const std::string& otherwise) const {
  switch (kill_reason_) {
    case KillReason::kNone:
      break;
    case KillReason::kStopped:
      return task::Error(absl::StatusCode::kCancelled, "CANCELLED", "the attempt was stopped");
    case KillReason::kTimeout:
      return task::Error(
          absl::StatusCode::kDeadlineExceeded, "RUN_TIMEOUT_EXCEEDED",
          absl::StrCat("the attempt took longer than its run_timeout, ", absl::FormatDuration(run_timeout_)));
    case KillReason::kCrowded:
      return task::Error(absl::StatusCode::kResourceExhausted, "SANDBOX_CROWDED",
                         "the scripts that wait take all the memory that the server has for them");
    case KillReason::kBroken:
      return task::Error(absl::StatusCode::kInternal, "SANDBOX_DIED",
                         "the sandbox process was killed because it did not keep to the protocol");
  }
  return task::Error(absl::StatusCode::kInternal, "SANDBOX_DIED", otherwise);
}

void LuaAttempt::Finish(Outcome outcome) {
  *outcome.usage.mutable_wall_time() = task::ToProto(MonotonicNow() - started_);
  outcome.usage.set_output_bytes(output_bytes_);
  observer_->OnDone(std::move(outcome));
}

}  // namespace errand::handlers
