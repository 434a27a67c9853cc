#include "errand/queues.h"

#include <grpcpp/channel.h>

#include <string>
#include <utility>

#include "errand/retry.h"
#include "errand/unary_call.h"
#include "errand/v1/queues.grpc.pb.h"

namespace errand {
namespace {

using QueuesStub = v1::Queues::StubInterface;

template <class Request>
Request Named(absl::string_view name) {
  Request request;
  request.set_name(std::string(name));
  return request;
}

template <class Response, class Request>
absl::StatusOr<Response> CallFor(
    QueuesStub& stub, grpc::Status (QueuesStub::*method)(grpc::ClientContext*, const Request&, Response*),
    const Request& request, const RetryOptions& retry_options, const CallOptions& options) {
  Retry retry(retry_options, DeadlineOf(options), options.cancellation);
  Response response;
  absl::Status status = Call(stub, method, request, &response, retry);
  if (!status.ok()) return status;
  return response;
}

template <class Response>
absl::StatusOr<v1::Queue> QueueOf(absl::StatusOr<Response> response) {
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_queue());
}

}  // namespace

struct Queues::Stub {
  explicit Stub(const std::shared_ptr<grpc::Channel>& channel) : queues(v1::Queues::NewStub(channel)) {}

  const std::unique_ptr<QueuesStub> queues;
};

Queues::Queues(std::shared_ptr<grpc::Channel> channel, RetryOptions retry)
    : stub_(std::make_unique<Stub>(channel)), retry_(std::move(retry)) {}

Queues::~Queues() = default;

absl::StatusOr<v1::Queue> Queues::Get(absl::string_view name, const CallOptions& options) const {
  return QueueOf(
      CallFor(*stub_->queues, &QueuesStub::GetQueue, Named<v1::GetQueueRequest>(name), retry_, options));
}

absl::StatusOr<v1::ListQueuesResponse> Queues::ListPage(const v1::ListQueuesRequest& request,
                                                        const CallOptions& options) const {
  return CallFor(*stub_->queues, &QueuesStub::ListQueues, request, retry_, options);
}

absl::Status Queues::List(OnQueue on_queue, const CallOptions& options) const {
  Retry retry(retry_, DeadlineOf(options), options.cancellation);
  v1::ListQueuesRequest request;
  do {
    v1::ListQueuesResponse response;
    absl::Status status = Call(*stub_->queues, &QueuesStub::ListQueues, request, &response, retry);
    if (!status.ok()) return status;
    retry.Succeeded();
    for (const v1::Queue& queue : response.queues()) {
      if (!on_queue(queue)) return absl::OkStatus();
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

absl::StatusOr<v1::Queue> Queues::Update(const v1::UpdateQueueRequest& request,
                                         const CallOptions& options) const {
  return QueueOf(CallFor(*stub_->queues, &QueuesStub::UpdateQueue, request, retry_, options));
}

absl::StatusOr<v1::Queue> Queues::Pause(absl::string_view name, const CallOptions& options) const {
  return QueueOf(
      CallFor(*stub_->queues, &QueuesStub::PauseQueue, Named<v1::PauseQueueRequest>(name), retry_, options));
}

absl::StatusOr<v1::Queue> Queues::Resume(absl::string_view name, const CallOptions& options) const {
  return QueueOf(CallFor(*stub_->queues, &QueuesStub::ResumeQueue, Named<v1::ResumeQueueRequest>(name),
                         retry_, options));
}

absl::StatusOr<int64_t> Queues::Purge(absl::string_view name, const CallOptions& options) const {
  const absl::StatusOr<v1::PurgeQueueResponse> response =
      CallFor(*stub_->queues, &QueuesStub::PurgeQueue, Named<v1::PurgeQueueRequest>(name), retry_, options);
  if (!response.ok()) return response.status();
  return response->purged_count();
}

absl::StatusOr<int64_t> Queues::Delete(const v1::DeleteQueueRequest& request,
                                       const CallOptions& options) const {
  Retry retry(retry_, DeadlineOf(options), options.cancellation);
  v1::DeleteQueueResponse response;
  absl::Status status = Call(*stub_->queues, &QueuesStub::DeleteQueue, request, &response, retry);
  // By an earlier attempt whose answer was lost.
  if (absl::IsNotFound(status) && retry.repeated()) return 0;
  if (!status.ok()) return status;
  return response.deleted_task_count();
}

absl::StatusOr<v1::QueueStats> Queues::Stats(absl::string_view name, const CallOptions& options) const {
  absl::StatusOr<v1::GetQueueStatsResponse> response = CallFor(
      *stub_->queues, &QueuesStub::GetQueueStats, Named<v1::GetQueueStatsRequest>(name), retry_, options);
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_stats());
}

}  // namespace errand
