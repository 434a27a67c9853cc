#include "server/service/intake.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/task/duration.h"
#include "server/task/errors.h"
#include "server/task/limits.h"
#include "server/task/name.h"
#include "server/task/validate.h"

namespace errand::service {
namespace {

void ClearOutputOnly(v1::Task& task) {
  task.clear_state();
  task.clear_attempt_count();
  task.clear_progress();
  task.clear_result();
  task.clear_error();
  task.clear_usage();
  task.clear_create_time();
  task.clear_start_time();
  task.clear_end_time();
  task.clear_etag();
  task.clear_attempts();
  task.clear_parent_task();
  task.clear_root_task();
  task.clear_depth();
  task.clear_reduced();
  if (task.lua().script_version() != 0) task.mutable_lua()->clear_script_version();
}

}  // namespace

absl::Status Intake::CheckOpen() const {
  if (!closed_.load(std::memory_order_relaxed)) return absl::OkStatus();
  return task::ShuttingDown();
}

absl::StatusOr<store::Submission> Intake::Prepare(v1::CreateTaskRequest& request, ValidateOnly validate_only,
                                                  absl::Time now) {
  const absl::string_view queue =
      request.parent().empty() ? task::kDefaultQueue : absl::string_view(request.parent());
  task::Violations found;
  found.Add(task::CheckQueueName(queue, "parent"));
  if (!request.task_id().empty()) found.Add(task::CheckId(request.task_id(), "task_id"));
  if (request.request_id().size() > task::kMaxRequestIdBytes) {
    found.Add(task::InvalidField("request_id",
                                 absl::StrCat("must be at most ", task::kMaxRequestIdBytes, " bytes")));
  }
  found.Add(request.has_task() ? task::ValidateTask(request.task(), "task", now)
                               : task::InvalidField("task", "must be set"));
  if (request.validate_only() && validate_only == ValidateOnly::kRefused) {
    found.Add(task::InvalidField("validate_only", "must not be set: use CreateTask to validate"));
  }
  if (!found.ok()) return found.status();

  v1::Task& task = *request.mutable_task();
  ClearOutputOnly(task);
  std::optional<absl::Duration> ttl;
  if (task.has_ttl()) {
    ttl = task::FromProto(task.ttl());
    *task.mutable_expire_time() = task::ToProto(now + *ttl);
  }
  task.set_uid(task::NewUid());
  task.set_name(task::TaskName(queue, request.task_id().empty() ? task.uid() : request.task_id()));
  store::Submission submission;
  submission.task = &task;
  submission.request_id = std::move(*request.mutable_request_id());
  submission.validate_only = request.validate_only();
  submission.ttl = ttl;
  return submission;
}

}  // namespace errand::service
