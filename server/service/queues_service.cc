#include "server/service/queues_service.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/service/page_token.h"
#include "server/service/store_call.h"
#include "server/task/errors.h"
#include "server/task/name.h"
#include "server/task/queue_settings.h"

namespace errand::service {
namespace {

// Calls of each method that wait to be accepted, a loop. Each costs a scan step at every completion of the
// loop, and these methods are seldom called.
constexpr int kArmedCalls = 2;

PageScope ListScope() { return {"ListQueues"}; }

// Of a method that has nothing but a queue's name.
template <class Request>
absl::Status CheckName(const Request& request) {
  return task::CheckQueueName(request.name(), "name");
}

template <class Response>
absl::Status TakeQueue(absl::StatusOr<v1::Queue> queue, Response& response) {
  if (queue.ok()) response.mutable_queue()->Swap(&*queue);
  return queue.status();
}

}  // namespace

struct QueuesService::GetMethod {
  using Request = v1::GetQueueRequest;
  using Response = v1::GetQueueResponse;
  using Answer = absl::StatusOr<v1::Queue>;
  static absl::Status Check(const Request& request) { return CheckName(request); }
  static void Ask(store::TaskStore& store, Request& request, store::Callback<Answer> done) {
    store.GetQueue(request.name(), std::move(done));
  }
  static absl::Status Take(const Request&, Answer answer, Response& response) {
    return TakeQueue(std::move(answer), response);
  }
};

struct QueuesService::ListMethod {
  using Request = v1::ListQueuesRequest;
  using Response = v1::ListQueuesResponse;
  using Answer = absl::StatusOr<store::QueuePage>;
  static absl::Status Check(const Request& request) { return ReadNamePage(request, ListScope()).status(); }
  static void Ask(store::TaskStore& store, Request& request, store::Callback<Answer> done) {
    store.ListQueues(*ReadNamePage(request, ListScope()), std::move(done));
  }
  static absl::Status Take(const Request&, Answer answer, Response& response) {
    if (!answer.ok()) return answer.status();
    for (v1::Queue& queue : answer->queues) response.add_queues()->Swap(&queue);
    if (answer->more && response.queues_size() > 0) {
      response.set_next_page_token(
          MakePageToken(ListScope(), response.queues(response.queues_size() - 1).name()));
    }
    return absl::OkStatus();
  }
};

struct QueuesService::UpdateMethod {
  using Request = v1::UpdateQueueRequest;
  using Response = v1::UpdateQueueResponse;
  using Answer = absl::StatusOr<v1::Queue>;
  static absl::Status Check(const Request& request) {
    task::Violations found;
    if (request.has_queue()) {
      found.Add(task::CheckQueueName(request.queue().name(), "queue.name"));
      found.Add(task::ValidateQueueSettings(request.queue(), "queue"));
    } else {
      found.Add(task::InvalidField("queue", "must be set"));
    }
    found.Add(task::ValidateQueueMask(request.update_mask(), "update_mask"));
    return found.status();
  }
  static void Ask(store::TaskStore& store, Request& request, store::Callback<Answer> done) {
    store.UpdateQueue(std::move(*request.mutable_queue()), std::move(*request.mutable_update_mask()),
                      std::move(done));
  }
  static absl::Status Take(const Request&, Answer answer, Response& response) {
    return TakeQueue(std::move(answer), response);
  }
};

struct QueuesService::PauseMethod {
  using Request = v1::PauseQueueRequest;
  using Response = v1::PauseQueueResponse;
  using Answer = absl::StatusOr<v1::Queue>;
  static absl::Status Check(const Request& request) { return CheckName(request); }
  static void Ask(store::TaskStore& store, Request& request, store::Callback<Answer> done) {
    store.SetQueueState(request.name(), v1::QUEUE_STATE_PAUSED, std::move(done));
  }
  static absl::Status Take(const Request&, Answer answer, Response& response) {
    return TakeQueue(std::move(answer), response);
  }
};

struct QueuesService::ResumeMethod {
  using Request = v1::ResumeQueueRequest;
  using Response = v1::ResumeQueueResponse;
  using Answer = absl::StatusOr<v1::Queue>;
  static absl::Status Check(const Request& request) { return CheckName(request); }
  static void Ask(store::TaskStore& store, Request& request, store::Callback<Answer> done) {
    store.SetQueueState(request.name(), v1::QUEUE_STATE_RUNNING, std::move(done));
  }
  static absl::Status Take(const Request&, Answer answer, Response& response) {
    return TakeQueue(std::move(answer), response);
  }
};

struct QueuesService::PurgeMethod {
  using Request = v1::PurgeQueueRequest;
  using Response = v1::PurgeQueueResponse;
  using Answer = absl::StatusOr<int64_t>;
  static absl::Status Check(const Request& request) { return CheckName(request); }
  static void Ask(store::TaskStore& store, Request& request, store::Callback<Answer> done) {
    store.PurgeQueue(request.name(), std::move(done));
  }
  static absl::Status Take(const Request&, Answer answer, Response& response) {
    if (answer.ok()) response.set_purged_count(*answer);
    return answer.status();
  }
};

struct QueuesService::DeleteMethod {
  using Request = v1::DeleteQueueRequest;
  using Response = v1::DeleteQueueResponse;
  using Answer = absl::StatusOr<int64_t>;
  static absl::Status Check(const Request& request) { return CheckName(request); }
  static void Ask(store::TaskStore& store, Request& request, store::Callback<Answer> done) {
    const bool allow_missing = request.allow_missing();
    store.DeleteQueue({request.name(), request.etag(), request.force()},
                      [allow_missing, done = std::move(done)](Answer answer) mutable {
                        if (allow_missing && absl::IsNotFound(answer.status())) answer = 0;
                        done(std::move(answer));
                      });
  }
  static absl::Status Take(const Request&, Answer answer, Response& response) {
    if (answer.ok()) response.set_deleted_task_count(*answer);
    return answer.status();
  }
};

struct QueuesService::StatsMethod {
  using Request = v1::GetQueueStatsRequest;
  using Response = v1::GetQueueStatsResponse;
  using Answer = absl::StatusOr<v1::QueueStats>;
  static absl::Status Check(const Request& request) { return CheckName(request); }
  static void Ask(store::TaskStore& store, Request& request, store::Callback<Answer> done) {
    store.GetQueueStats(request.name(), std::move(done));
  }
  static absl::Status Take(const Request&, Answer answer, Response& response) {
    if (answer.ok()) response.mutable_stats()->Swap(&*answer);
    return answer.status();
  }
};

QueuesService::QueuesService(store::TaskStore* store) : store_(store) {}

QueuesService::~QueuesService() = default;

void QueuesService::Register(rpc::Server& server) { server.builder().RegisterService(&grpc_); }

void QueuesService::Arm(rpc::Server& server) {
  for (const auto& loop : server.unary_loops()) {
    for (int i = 0; i < kArmedCalls; ++i) {
      ServeStoreCall<GetMethod>(grpc_, *loop, *store_);
      ServeStoreCall<ListMethod>(grpc_, *loop, *store_);
      ServeStoreCall<UpdateMethod>(grpc_, *loop, *store_);
      ServeStoreCall<PauseMethod>(grpc_, *loop, *store_);
      ServeStoreCall<ResumeMethod>(grpc_, *loop, *store_);
      ServeStoreCall<PurgeMethod>(grpc_, *loop, *store_);
      ServeStoreCall<DeleteMethod>(grpc_, *loop, *store_);
      ServeStoreCall<StatsMethod>(grpc_, *loop, *store_);
    }
  }
}

}  // namespace errand::service
