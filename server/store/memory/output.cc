#include "server/store/memory/output.h"

#include <utility>

#include "server/task/duration.h"

namespace errand::store {

KeptUsage::KeptUsage(const v1::Usage& usage)
    : wall_nanos_(kNoTime),
      peak_memory_bytes_(usage.peak_memory_bytes()),
      output_bytes_(usage.output_bytes()) {
  if (usage.has_wall_time()) wall_nanos_ = absl::ToInt64Nanoseconds(task::FromProto(usage.wall_time()));
  if (usage.has_cpu_time()) cpu_nanos_ = absl::ToInt64Nanoseconds(task::FromProto(usage.cpu_time()));
}

void KeptUsage::AddTo(v1::Usage& usage) const {
  if (wall_nanos_ != kNoTime) *usage.mutable_wall_time() = task::ToProto(absl::Nanoseconds(wall_nanos_));
  if (cpu_nanos_ != kNoTime) *usage.mutable_cpu_time() = task::ToProto(absl::Nanoseconds(cpu_nanos_));
  usage.set_peak_memory_bytes(peak_memory_bytes_);
  usage.set_output_bytes(output_bytes_);
}

void KeptAttempt::AddTo(v1::Attempt& attempt) const {
  attempt.set_number(number);
  if (start.has_value()) *attempt.mutable_start_time() = task::ToProto(start.get());
  if (end.has_value()) *attempt.mutable_end_time() = task::ToProto(end.get());
  if (error != nullptr) *attempt.mutable_error() = *error;
  if (usage.has_value()) usage.AddTo(*attempt.mutable_usage());
  if (worker != nullptr) attempt.set_worker(*worker);
}

void Output::AddTo(v1::TaskView view, v1::Task& task) const {
  task.set_attempt_count(attempt_count);
  if (progress != nullptr) *task.mutable_progress() = *progress;
  if (error != nullptr) *task.mutable_error() = *error;
  if (usage.has_value()) usage.AddTo(*task.mutable_usage());
  if (!attempts.empty() && attempts.back().start.has_value()) {
    *task.mutable_start_time() = task::ToProto(attempts.back().start.get());
  }
  if (end.has_value()) *task.mutable_end_time() = task::ToProto(end.get());
  if (view != v1::TASK_VIEW_FULL) return;
  if (!result.empty()) (void)task.mutable_result()->ParseFromString(result);
  for (const KeptAttempt& attempt : attempts) attempt.AddTo(*task.add_attempts());
}

std::shared_ptr<const google::rpc::Status> KeepError(google::rpc::Status error) {
  return error.code() == 0 ? nullptr : std::make_shared<const google::rpc::Status>(std::move(error));
}

}  // namespace errand::store
