#include "server/service/answer_size.h"

#include "absl/strings/str_cat.h"
#include "server/task/errors.h"

namespace errand::service {

absl::Status CheckAnswerBytes(const google::protobuf::Message& answer, int64_t max_bytes) {
  const size_t most = max_bytes > 0 ? static_cast<size_t>(max_bytes) : kDefaultMaxBytes;
  const size_t bytes = answer.ByteSizeLong();
  if (bytes <= most) return absl::OkStatus();
  return task::Error(absl::StatusCode::kResourceExhausted, "ANSWER_TOO_LARGE",
                     absl::StrCat("the answer would have ", bytes, " bytes, more than ", most,
                                  ": ask for less with `view` TASK_VIEW_BASIC or a `read_mask`, stream the "
                                  "result with ReadResult, or "
                                  "call GetTask with `max_bytes` if the client takes more"),
                     {{"bytes", absl::StrCat(bytes)}, {"max_bytes", absl::StrCat(most)}});
}

void ReduceToBasic(v1::Task& task) {
  if (task.has_lua()) task.mutable_lua()->Clear();
  if (task.has_email()) task.mutable_email()->Clear();
  task.clear_result();
  task.clear_attempts();
}

void ReduceToEssence(v1::Task& task) {
  v1::Task essence;
  essence.set_name(task.name());
  essence.set_uid(task.uid());
  essence.set_state(task.state());
  *essence.mutable_create_time() = task.create_time();
  essence.set_etag(task.etag());
  task.CopyFrom(essence);
}

void LeaveResultOut(v1::TaskEvent& event) {
  if (!event.has_state() || !event.state().has_result()) return;
  event.mutable_state()->clear_result();
  event.mutable_state()->set_result_left_out(true);
}

}  // namespace errand::service
