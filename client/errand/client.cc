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
#include "errand/request_id.h"
#include "errand/retry.h"
#include "errand/state.h"
#include "errand/v1/tasks.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace errand {
namespace {

// How long one WaitTask call lasts: shorter than what proxies grant a silent call.
constexpr absl::Duration kLongPoll = absl::Seconds(60);
// How much later than it promised the server may answer it before the connection is taken for dead.
constexpr absl::Duration kLongPollGrace = absl::Seconds(15);
constexpr absl::Duration kEarlyAnswerPause = absl::Milliseconds(500);

absl::Time DeadlineOf(const CallOptions& options) { return absl::Now() + options.timeout; }

// Makes a unary call of `stub`, as often as `retry` says.
template <class Stub, class Request, class Response>
absl::Status Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const Request& request, Response* response, Retry& retry) {
  absl::Status status = retry.Check();
  while (status.ok()) {
    CancellableContext context(retry.cancellation(), retry.deadline());
    status = FromGrpc((stub.*method)(context.get(), request, response));
    if (status.ok()) return status;
    status = retry.Next(status);
  }
  return status;
}

}  // namespace

struct Client::Stubs {
  explicit Stubs(const std::shared_ptr<grpc::Channel>& channel)
      : tasks(v1::Tasks::NewStub(channel)), health(grpc::health::v1::Health::NewStub(channel)) {}

  const std::unique_ptr<v1::Tasks::StubInterface> tasks;
  const std::unique_ptr<grpc::health::v1::Health::StubInterface> health;
};

Client::Client(std::shared_ptr<grpc::Channel> channel, RetryOptions retry)
    : stubs_(std::make_unique<Stubs>(channel)), retry_(std::move(retry)) {}

Client::~Client() = default;

absl::StatusOr<v1::Task> Client::Create(v1::CreateTaskRequest request, const CallOptions& options) const {
  if (request.request_id().empty()) request.set_request_id(NewRequestId());
  Retry retry(retry_, DeadlineOf(options), options.cancellation);
  v1::CreateTaskResponse response;
  absl::Status status =
      Call(*stubs_->tasks, &v1::Tasks::StubInterface::CreateTask, request, &response, retry);
  if (!status.ok()) return status;
  return std::move(*response.mutable_task());
}

absl::StatusOr<v1::StateChange> Client::Run(v1::CreateTaskRequest request, OnEvent on_event,
                                            const CallOptions& options) const {
  if (request.request_id().empty()) request.set_request_id(NewRequestId());
  v1::RunTaskRequest run;
  *run.mutable_create() = std::move(request);
  Retry retry(retry_, DeadlineOf(options), options.cancellation);
  return Follower(*stubs_->tasks, retry, on_event).Run(run);
}

absl::StatusOr<v1::StateChange> Client::Watch(absl::string_view name, int64_t after_sequence,
                                              OnEvent on_event, const CallOptions& options) const {
  v1::WatchTaskRequest request;
  request.set_name(std::string(name));
  request.set_after_sequence(after_sequence);
  Retry retry(retry_, DeadlineOf(options), options.cancellation);
  return Follower(*stubs_->tasks, retry, on_event).Watch(request);
}

absl::StatusOr<v1::Task> Client::Get(absl::string_view name, const CallOptions& options) const {
  v1::GetTaskRequest request;
  v1::GetTaskResponse response;
  request.set_name(std::string(name));
  Retry retry(retry_, DeadlineOf(options), options.cancellation);
  absl::Status status = Call(*stubs_->tasks, &v1::Tasks::StubInterface::GetTask, request, &response, retry);
  if (!status.ok()) return status;
  return std::move(*response.mutable_task());
}

absl::StatusOr<v1::Task> Client::Wait(absl::string_view name, const CallOptions& options) const {
  v1::WaitTaskRequest request;
  v1::WaitTaskResponse response;
  request.set_name(std::string(name));
  Retry retry(retry_, DeadlineOf(options), options.cancellation);
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
      if (HasEnded(response.task().state())) return std::move(*response.mutable_task());
      retry.Succeeded();
      // A server that answers early is not asked again at once.
      status = retry.Wait(absl::Now() - start < poll / 2 ? kEarlyAnswerPause : absl::ZeroDuration());
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
  v1::CancelTaskRequest request;
  v1::CancelTaskResponse response;
  request.set_name(std::string(name));
  Retry retry(retry_, DeadlineOf(options), options.cancellation);
  absl::Status status =
      Call(*stubs_->tasks, &v1::Tasks::StubInterface::CancelTask, request, &response, retry);
  if (!status.ok()) return status;
  return std::move(*response.mutable_task());
}

absl::StatusOr<bool> Client::IsServing(absl::string_view service, const CallOptions& options) const {
  using grpc::health::v1::Health;
  using grpc::health::v1::HealthCheckResponse;
  grpc::health::v1::HealthCheckRequest request;
  HealthCheckResponse response;
  request.set_service(std::string(service));
  RetryOptions once;
  once.give_up_after = absl::ZeroDuration();
  Retry retry(once, DeadlineOf(options), options.cancellation);
  absl::Status status = Call(*stubs_->health, &Health::StubInterface::Check, request, &response, retry);
  if (!status.ok()) return status;
  return response.status() == HealthCheckResponse::SERVING;
}

}  // namespace errand
