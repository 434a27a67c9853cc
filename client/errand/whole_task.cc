#include "errand/whole_task.h"

#include <limits>
#include <utility>

#include "errand/cancellable_context.h"
#include "errand/error.h"
#include "errand/unary_call.h"
#include "google/rpc/error_details.pb.h"

namespace errand {
namespace {

using TasksStub = v1::Tasks::StubInterface;

absl::StatusOr<v1::TaskResult> ReadOnce(TasksStub& stub, const std::string& name, Retry& retry) {
  v1::ReadResultRequest request;
  request.set_name(name);
  CancellableContext context(retry.cancellation(), retry.deadline());
  const auto reader = stub.ReadResult(context.get(), request);
  v1::TaskResult result;
  std::string data;
  v1::ReadResultResponse response;
  while (reader->Read(&response)) {
    data += response.piece().data();
    response.mutable_piece()->clear_data();
    result.MergeFrom(response.piece());
  }
  absl::Status status = FromGrpc(reader->Finish());
  if (!status.ok()) return status;
  result.set_data(std::move(data));
  return result;
}

}  // namespace

bool IsAnswerTooLarge(const absl::Status& status) {
  if (!absl::IsResourceExhausted(status)) return false;
  const auto info = FindDetail<google::rpc::ErrorInfo>(status);
  return info.has_value() && info->reason() == "ANSWER_TOO_LARGE";
}

absl::StatusOr<v1::TaskResult> ReadWholeResult(TasksStub& stub, const std::string& name, Retry& retry) {
  absl::Status status = retry.Check();
  while (status.ok()) {
    absl::StatusOr<v1::TaskResult> result = ReadOnce(stub, name, retry);
    if (result.ok()) return result;
    status = retry.Next(result.status());
  }
  return status;
}

absl::StatusOr<v1::Task> ReadWholeTask(TasksStub& stub, const std::string& name, Retry& retry) {
  v1::GetTaskRequest request;
  request.set_name(name);
  request.set_view(v1::TASK_VIEW_FULL);
  v1::GetTaskResponse response;
  absl::Status status = Call(stub, &TasksStub::GetTask, request, &response, retry);
  if (status.ok()) return std::move(*response.mutable_task());
  if (!IsAnswerTooLarge(status)) return status;
  const google::protobuf::Descriptor& type = *v1::Task::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->name() != "result") request.mutable_read_mask()->add_paths(type.field(i)->name());
  }
  request.set_max_bytes(std::numeric_limits<int32_t>::max());
  status = Call(stub, &TasksStub::GetTask, request, &response, retry);
  if (!status.ok()) return status;
  absl::StatusOr<v1::TaskResult> result = ReadWholeResult(stub, name, retry);
  if (!result.ok()) return result.status();
  v1::Task& task = *response.mutable_task();
  if (result->ByteSizeLong() > 0) *task.mutable_result() = *std::move(result);
  return std::move(task);
}

}  // namespace errand
