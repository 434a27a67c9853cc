#include "errand/client.h"

#include <grpcpp/channel.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "errand/cancellable_context.h"
#include "errand/error.h"
#include "errand/follower.h"
#include "errand/queue_follower.h"
#include "errand/request_id.h"
#include "errand/retry.h"
#include "errand/state.h"
#include "errand/unary_call.h"
#include "errand/v1/tasks.grpc.pb.h"
#include "errand/whole_task.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace errand {
namespace {

using TasksStub = v1::Tasks::StubInterface;

// How long one WaitTask call lasts: shorter than what proxies grant a silent call.
constexpr absl::Duration kLongPoll = absl::Seconds(60);
// How much later than it promised the server may answer it before the connection is taken for dead.
constexpr absl::Duration kLongPollGrace = absl::Seconds(15);
constexpr absl::Duration kEarlyAnswerPause = absl::Milliseconds(500);

errand::Retry Begin(const RetryOptions& retry, const CallOptions& options) {
  return errand::Retry(retry, DeadlineOf(options), options.cancellation);
}

template <class Request>
Request Named(absl::string_view name) {
  Request request;
  request.set_name(std::string(name));
  return request;
}

// A call that is answered with a task.
template <class Request, class Response>
absl::StatusOr<v1::Task> CallForTask(TasksStub& stub,
                                     grpc::Status (TasksStub::*method)(grpc::ClientContext*, const Request&,
                                                                       Response*),
                                     const Request& request, errand::Retry& retry) {
  Response response;
  absl::Status status = Call(stub, method, request, &response, retry);
  if (!status.ok()) return status;
  return std::move(*response.mutable_task());
}

}  // namespace

struct Client::Stubs {
  explicit Stubs(const std::shared_ptr<grpc::Channel>& channel)
      : tasks(v1::Tasks::NewStub(channel)), health(grpc::health::v1::Health::NewStub(channel)) {}

  const std::unique_ptr<TasksStub> tasks;
  const std::unique_ptr<grpc::health::v1::Health::StubInterface> health;
};

Client::Client(std::shared_ptr<grpc::Channel> channel, RetryOptions retry)
    : stubs_(std::make_unique<Stubs>(channel)), retry_(std::move(retry)) {}

Client::~Client() = default;

absl::StatusOr<v1::Task> Client::Create(v1::CreateTaskRequest request, const CallOptions& options) const {
  if (request.request_id().empty()) request.set_request_id(NewRequestId());
  errand::Retry retry = Begin(retry_, options);
  return CallForTask(*stubs_->tasks, &TasksStub::CreateTask, request, retry);
}

absl::StatusOr<v1::BatchCreateTasksResponse> Client::BatchCreate(v1::BatchCreateTasksRequest request,
                                                                 const CallOptions& options) const {
  for (v1::CreateTaskRequest& create : *request.mutable_requests()) {
    if (create.request_id().empty()) create.set_request_id(NewRequestId());
  }
  errand::Retry retry = Begin(retry_, options);
  v1::BatchCreateTasksResponse response;
  absl::Status status = Call(*stubs_->tasks, &TasksStub::BatchCreateTasks, request, &response, retry);
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<v1::StateChange> Client::Run(v1::CreateTaskRequest request, OnEvent on_event,
                                            const CallOptions& options) const {
  if (request.request_id().empty()) request.set_request_id(NewRequestId());
  v1::RunTaskRequest run;
  *run.mutable_create() = std::move(request);
  errand::Retry retry = Begin(retry_, options);
  return Follower(*stubs_->tasks, retry, on_event, options.on_gap).Run(run);
}

absl::StatusOr<v1::StateChange> Client::Watch(absl::string_view name, int64_t after_sequence,
                                              OnEvent on_event, const CallOptions& options) const {
  auto request = Named<v1::WatchTaskRequest>(name);
  request.set_after_sequence(after_sequence);
  errand::Retry retry = Begin(retry_, options);
  return Follower(*stubs_->tasks, retry, on_event, options.on_gap).Watch(request);
}

absl::Status Client::WatchQueue(absl::string_view queue, int64_t after_position, OnQueueEvents on_events,
                                const CallOptions& options) const {
  v1::WatchQueueRequest request;
  request.set_parent(std::string(queue));
  request.set_after_position(after_position);
  errand::Retry retry = Begin(retry_, options);
  return QueueFollower(*stubs_->tasks, retry, on_events, options.on_gap).Watch(std::move(request));
}

absl::StatusOr<v1::Task> Client::Get(absl::string_view name, const CallOptions& options) const {
  errand::Retry retry = Begin(retry_, options);
  return ReadWholeTask(*stubs_->tasks, std::string(name), retry);
}

absl::StatusOr<v1::TaskResult> Client::ReadResult(absl::string_view name, const CallOptions& options) const {
  errand::Retry retry = Begin(retry_, options);
  return ReadWholeResult(*stubs_->tasks, std::string(name), retry);
}

absl::StatusOr<v1::ListTasksResponse> Client::ListPage(const v1::ListTasksRequest& request,
                                                       const CallOptions& options) const {
  errand::Retry retry = Begin(retry_, options);
  v1::ListTasksResponse response;
  absl::Status status = Call(*stubs_->tasks, &TasksStub::ListTasks, request, &response, retry);
  if (!status.ok()) return status;
  return response;
}

absl::Status Client::List(v1::ListTasksRequest request, OnTask on_task, const CallOptions& options) const {
  errand::Retry retry = Begin(retry_, options);
  do {
    v1::ListTasksResponse response;
    absl::Status status = Call(*stubs_->tasks, &TasksStub::ListTasks, request, &response, retry);
    if (!status.ok()) return status;
    retry.Succeeded();
    for (v1::Task& task : *response.mutable_tasks()) {
      if (task.reduced()) {
        absl::StatusOr<v1::Task> whole = ReadWholeTask(*stubs_->tasks, task.name(), retry);
        if (absl::IsNotFound(whole.status())) continue;  // It is gone since.
        if (!whole.ok()) return whole.status();
        task = *std::move(whole);
      }
      if (!on_task(task)) return absl::OkStatus();
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

absl::StatusOr<v1::Task> Client::Wait(absl::string_view name, const CallOptions& options) const {
  auto request = Named<v1::WaitTaskRequest>(name);
  v1::WaitTaskResponse response;
  errand::Retry retry = Begin(retry_, options);
  absl::Status status = retry.Check();
  while (status.ok()) {
    const absl::Time start = absl::Now();
    const absl::Duration poll = std::clamp(retry.deadline() - start, absl::ZeroDuration(), kLongPoll);
    request.mutable_timeout()->set_seconds(absl::ToInt64Seconds(poll));
    request.mutable_timeout()->set_nanos(
        static_cast<int32_t>(absl::ToInt64Nanoseconds(poll - absl::Trunc(poll, absl::Seconds(1)))));
    const absl::Time patience = start + poll + kLongPollGrace;
    CancellableContext context(retry.cancellation(), std::min(retry.deadline(), patience));
    status = FromGrpc(stubs_->tasks->WaitTask(context.get(), request, &response));
    if (status.ok()) {
      if (HasEnded(response.task().state())) {
        if (request.view() == v1::TASK_VIEW_BASIC)
          return ReadWholeTask(*stubs_->tasks, request.name(), retry);
        return std::move(*response.mutable_task());
      }
      retry.Succeeded();
      // A server that answers early is not asked again at once.
      status = retry.Wait(absl::Now() - start < poll / 2 ? kEarlyAnswerPause : absl::ZeroDuration());
      continue;
    }
    if (IsAnswerTooLarge(status)) {
      request.set_view(v1::TASK_VIEW_BASIC);
      status = absl::OkStatus();
      continue;
    }
    if (absl::IsDeadlineExceeded(status) && patience < retry.deadline()) {
      status = absl::UnavailableError("the server does not answer");
    }
    status = retry.Next(status);
  }
  if (absl::IsDeadlineExceeded(status)) {
    return absl::DeadlineExceededError(
        absl::StrCat(name, " did not end within ", absl::FormatDuration(options.timeout)));
  }
  return status;
}

absl::StatusOr<v1::Task> Client::Cancel(absl::string_view name, const CallOptions& options) const {
  errand::Retry retry = Begin(retry_, options);
  return CallForTask(*stubs_->tasks, &TasksStub::CancelTask, Named<v1::CancelTaskRequest>(name), retry);
}

absl::StatusOr<v1::CancelTaskResponse> Client::CancelTree(absl::string_view name,
                                                          const CallOptions& options) const {
  errand::Retry retry = Begin(retry_, options);
  auto request = Named<v1::CancelTaskRequest>(name);
  request.set_descendants(true);
  v1::CancelTaskResponse response;
  absl::Status status = Call(*stubs_->tasks, &TasksStub::CancelTask, request, &response, retry);
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<v1::Task> Client::Retry(absl::string_view name, const CallOptions& options) const {
  errand::Retry retry = Begin(retry_, options);
  absl::StatusOr<v1::Task> task =
      CallForTask(*stubs_->tasks, &TasksStub::RetryTask, Named<v1::RetryTaskRequest>(name), retry);
  if (!absl::IsFailedPrecondition(task.status()) || !retry.repeated()) return task;
  // An earlier attempt whose answer was lost may be why.
  auto look = Named<v1::GetTaskRequest>(name);
  look.set_view(v1::TASK_VIEW_BASIC);
  absl::StatusOr<v1::Task> now = CallForTask(*stubs_->tasks, &TasksStub::GetTask, look, retry);
  return now.ok() && !HasEnded(now->state()) ? now : task;
}

absl::Status Client::Delete(absl::string_view name, const CallOptions& options) const {
  errand::Retry retry = Begin(retry_, options);
  v1::DeleteTaskResponse response;
  absl::Status status =
      Call(*stubs_->tasks, &TasksStub::DeleteTask, Named<v1::DeleteTaskRequest>(name), &response, retry);
  // By an earlier attempt whose answer was lost.
  if (absl::IsNotFound(status) && retry.repeated()) return absl::OkStatus();
  return status;
}

absl::StatusOr<bool> Client::IsServing(absl::string_view service, const CallOptions& options) const {
  using grpc::health::v1::Health;
  using grpc::health::v1::HealthCheckResponse;
  grpc::health::v1::HealthCheckRequest request;
  HealthCheckResponse response;
  request.set_service(std::string(service));
  RetryOptions once;
  once.give_up_after = absl::ZeroDuration();
  errand::Retry retry = Begin(once, options);
  absl::Status status = Call(*stubs_->health, &Health::StubInterface::Check, request, &response, retry);
  if (!status.ok()) return status;
  return response.status() == HealthCheckResponse::SERVING;
}

}  // namespace errand
