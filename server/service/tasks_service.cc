#include "server/service/tasks_service.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/rpc/reply.h"
#include "server/rpc/yield.h"
#include "server/service/page_token.h"
#include "server/service/status.h"
#include "server/service/store_call.h"
#include "server/service/task_view.h"
#include "server/service/unary_call.h"
#include "server/task/errors.h"
#include "server/task/name.h"

namespace errand::service {
namespace {

// Calls of each method that wait to be accepted, a loop. Each costs a scan step at every completion, so that
// methods that few call have few.
constexpr int kArmedCalls = 16;
constexpr int kArmedRareCalls = 4;

constexpr int kMaxBatch = 1000;

// A page is looked for in this many steps at most, and other calls go on between them, so that a filter that
// matches little holds nobody up.
constexpr int kMaxListSteps = 40;
// A page in FULL view ends with the step that brings it here: clients take 4 MiB by default.
constexpr size_t kMaxFullPageBytes = 2 << 20;
constexpr int kMaxFullStep = 20;

constexpr absl::string_view kAllQueues = "queues/-";

using TaskResult = absl::StatusOr<v1::Task>;
using TaskResults = std::vector<TaskResult>;

template <class Response>
absl::Status TakeTask(TaskResult result, Response& response) {
  if (result.ok()) response.mutable_task()->Swap(&*result);
  return result.status();
}

// Checks a batch and makes submissions of it; the sources are still to be checked.
absl::StatusOr<std::vector<absl::StatusOr<store::Submission>>> PrepareBatch(
    v1::BatchCreateTasksRequest& batch) {
  if (!batch.parent().empty()) {
    absl::Status status = task::CheckQueueName(batch.parent(), "parent");
    if (!status.ok()) return status;
  }
  if (batch.requests_size() < 1 || batch.requests_size() > kMaxBatch) {
    return task::InvalidField("requests",
                              absl::StrCat("must be 1 to ", kMaxBatch, ", not ", batch.requests_size()));
  }
  const absl::Time now = absl::Now();
  std::vector<absl::StatusOr<store::Submission>> submissions;
  submissions.reserve(static_cast<size_t>(batch.requests_size()));
  for (v1::CreateTaskRequest& request : *batch.mutable_requests()) {
    if (request.parent().empty()) {
      request.set_parent(batch.parent());
    } else if (!batch.parent().empty() && request.parent() != batch.parent()) {
      submissions.push_back(
          task::InvalidField("parent", absl::StrCat("must be empty or that of the batch, ", batch.parent())));
      continue;
    }
    submissions.push_back(Intake::Prepare(request, ValidateOnly::kRefused, now));
  }
  return submissions;
}

const absl::Status& ErrorOf(const absl::Status& status) { return status; }
const absl::Status& ErrorOf(const absl::StatusOr<store::Submission>& submission) {
  return submission.status();
}

// The first of a batch's errors, named by its request.
template <class Results>
absl::Status FirstError(const Results& results) {
  size_t first = results.size();
  for (size_t i = 0; i < results.size(); ++i) {
    if (ErrorOf(results[i]).ok()) continue;
    // Those that are CANCELLED were not to blame (SubmitMode::kAllOrNone).
    if (first == results.size()) first = i;
    if (absl::IsCancelled(ErrorOf(results[i]))) continue;
    first = i;
    break;
  }
  if (first == results.size()) return absl::OkStatus();
  return task::At(absl::StrCat("requests[", first, "]"), ErrorOf(results[first]));
}

// What a list request asks for, without the page's place.
absl::StatusOr<store::ListRequest> ParseList(const v1::ListTasksRequest& request) {
  store::ListRequest list;
  if (request.parent() != kAllQueues) {
    absl::Status status = task::CheckQueueName(request.parent(), "parent");
    if (!status.ok()) return status;
    list.queue = request.parent();
  }
  if (absl::Status status = CheckView(request.view()); !status.ok()) return status;
  list.view = BasicUnlessFull(request.view());
  const absl::StatusOr<int> page_size = PageSize(request.page_size());
  if (!page_size.ok()) return page_size.status();
  list.max_tasks = *page_size;
  if (!request.filter().empty()) {
    absl::StatusOr<task::Filter> filter = task::Filter::Parse(request.filter(), "filter");
    if (!filter.ok()) return filter.status();
    list.filter = std::make_shared<const task::Filter>(*std::move(filter));
  }
  return list;
}

}  // namespace

struct TasksService::GetMethod {
  using Request = v1::GetTaskRequest;
  using Response = v1::GetTaskResponse;
  using Answer = TaskResults;
  static constexpr auto kAccept = &Grpc::RequestGetTask;
  static absl::Status Check(const Request& request) {
    absl::Status status = task::CheckTaskName(request.name(), "name");
    return status.ok() ? CheckView(request.view()) : status;
  }
  static void Ask(store::TaskStore& store, Request& request, store::Callback<Answer> done) {
    store.Get({{std::move(*request.mutable_name()), FullUnlessBasic(request.view())}}, std::move(done));
  }
  static absl::Status Take(Answer answer, Response& response) {
    return TakeTask(std::move(answer[0]), response);
  }
};

struct TasksService::CancelMethod {
  using Request = v1::CancelTaskRequest;
  using Response = v1::CancelTaskResponse;
  using Answer = absl::StatusOr<store::CancelledTree>;
  static constexpr auto kAccept = &Grpc::RequestCancelTask;
  static absl::Status Check(const Request& request) { return task::CheckTaskName(request.name(), "name"); }
  static void Ask(store::TaskStore& store, Request& request, store::Callback<Answer> done) {
    store::ChangeRequest change{std::move(*request.mutable_name()), request.etag()};
    if (request.descendants()) {
      store.CancelTree(std::move(change), std::move(done));
      return;
    }
    store.Cancel({std::move(change)}, [done = std::move(done)](TaskResults results) mutable {
      if (!results[0].ok()) return done(results[0].status());
      done(store::CancelledTree{*std::move(results[0])});
    });
  }
  static absl::Status Take(Answer answer, Response& response) {
    if (!answer.ok()) return answer.status();
    if (answer->task.has_value()) response.mutable_task()->Swap(&*answer->task);
    response.set_descendants_count(answer->descendants);
    return absl::OkStatus();
  }
};

struct TasksService::RetryMethod {
  using Request = v1::RetryTaskRequest;
  using Response = v1::RetryTaskResponse;
  using Answer = TaskResults;
  static constexpr auto kAccept = &Grpc::RequestRetryTask;
  static absl::Status Check(const Request& request) { return task::CheckTaskName(request.name(), "name"); }
  static void Ask(store::TaskStore& store, Request& request, store::Callback<Answer> done) {
    store.Retry({{std::move(*request.mutable_name()), request.etag()}}, std::move(done));
  }
  static absl::Status Take(Answer answer, Response& response) {
    return TakeTask(std::move(answer[0]), response);
  }
};

struct TasksService::DeleteMethod {
  using Request = v1::DeleteTaskRequest;
  using Response = v1::DeleteTaskResponse;
  using Answer = std::vector<absl::Status>;
  static constexpr auto kAccept = &Grpc::RequestDeleteTask;
  static absl::Status Check(const Request& request) { return task::CheckTaskName(request.name(), "name"); }
  static void Ask(store::TaskStore& store, Request& request, store::Callback<Answer> done) {
    store.Delete({{std::move(*request.mutable_name()), request.etag()}}, std::move(done));
  }
  static absl::Status Take(Answer answer, Response&) { return std::move(answer[0]); }
};

TasksService::TasksService(store::TaskStore* store, SourceCheck check_source, int64_t max_unread_bytes)
    : store_(store), check_source_(std::move(check_source)), unread_(max_unread_bytes) {}

TasksService::~TasksService() = default;

void TasksService::Register(rpc::Server& server) { server.builder().RegisterService(&grpc_); }

void TasksService::Arm(rpc::Server& server) {
  for (const auto& loop : server.unary_loops()) {
    per_loop_.emplace(loop.get(), std::make_unique<PerLoop>(*loop, *store_));
  }
  for (const auto& loop : server.stream_loops()) {
    per_loop_.emplace(loop.get(), std::make_unique<PerLoop>(*loop, *store_));
  }
  for (const auto& loop : server.unary_loops()) {
    for (int i = 0; i < kArmedCalls; ++i) {
      CreateTask(*loop);
      ServeStoreCall<GetMethod>(grpc_, *loop, *store_, &unread_);
    }
    for (int i = 0; i < kArmedRareCalls; ++i) {
      BatchCreateTasks(*loop);
      // Beside the unary calls, since their submissions make batches together.
      SubmitTasks(*loop);
      ListTasks(*loop);
      ServeStoreCall<CancelMethod>(grpc_, *loop, *store_);
      ServeStoreCall<RetryMethod>(grpc_, *loop, *store_);
      ServeStoreCall<DeleteMethod>(grpc_, *loop, *store_);
    }
  }
  for (const auto& loop : server.stream_loops()) {
    for (int i = 0; i < kArmedCalls; ++i) ArmStreams(*loop);
  }
}

void TasksService::RefuseWork() {
  intake_.Close();
  for (auto& [loop, state] : per_loop_) state->submit_streams.Close(task::ShuttingDown());
}

void TasksService::EndStreams(clock::Instant deadline) {
  for (auto& [loop, state] : per_loop_) state->streams.Close(task::ShuttingDown());
  for (auto& [loop, state] : per_loop_) {
    state->streams.WaitUntilEmpty(deadline);
    state->submit_streams.WaitUntilEmpty(deadline);
  }
}

rpc::Call TasksService::CreateTask(rpc::Loop& loop) {
  UnaryCall<v1::CreateTaskRequest, v1::CreateTaskResponse> call;
  const bool accepted = co_await rpc::Operation([&](void* tag) {
    grpc_.RequestCreateTask(&call.context, &call.request, &call.writer, loop.queue(), loop.queue(), tag);
  });
  if (!accepted) co_return;
  CreateTask(loop);

  absl::Status status = intake_.CheckOpen();
  if (status.ok()) {
    absl::StatusOr<store::Submission> submission =
        Intake::Prepare(call.request, ValidateOnly::kAllowed, absl::Now());
    SourceChecks checks(loop, check_source_);
    checks.Add(submission);
    co_await checks;
    status = submission.status();
    if (status.ok()) {
      status = co_await Of(loop).submitter.Submit(*std::move(submission));
      call.response.set_allocated_task(call.request.release_task());
    }
  }
  const grpc::Status grpc_status = ToGrpc(status);
  co_await rpc::Operation([&](void* tag) { call.Finish(grpc_status, tag); });
}

rpc::Call TasksService::BatchCreateTasks(rpc::Loop& loop) {
  google::protobuf::Arena arena(SubmissionArena());
  auto& request = *google::protobuf::Arena::CreateMessage<v1::BatchCreateTasksRequest>(&arena);
  auto& response = *google::protobuf::Arena::CreateMessage<v1::BatchCreateTasksResponse>(&arena);
  grpc::ServerContext context;
  grpc::ServerAsyncResponseWriter<v1::BatchCreateTasksResponse> writer(&context);
  const bool accepted = co_await rpc::Operation([&](void* tag) {
    grpc_.RequestBatchCreateTasks(&context, &request, &writer, loop.queue(), loop.queue(), tag);
  });
  if (!accepted) co_return;
  BatchCreateTasks(loop);

  absl::Status status = intake_.CheckOpen();
  if (status.ok()) {
    absl::StatusOr<std::vector<absl::StatusOr<store::Submission>>> submissions = PrepareBatch(request);
    status = submissions.status();
    if (status.ok()) status = FirstError(*submissions);
    if (status.ok()) {
      SourceChecks checks(loop, check_source_);
      for (auto& submission : *submissions) checks.Add(submission);
      co_await checks;
      status = FirstError(*submissions);
    }
    if (status.ok()) {
      std::vector<store::Submission> batch;
      batch.reserve(submissions->size());
      for (auto& submission : *submissions) batch.push_back(*std::move(submission));
      rpc::Reply<std::vector<absl::Status>> reply(loop);
      store_->Submit(std::move(batch), store::SubmitMode::kAllOrNone, reply.callback());
      const std::vector<absl::Status> created = co_await reply;
      status = FirstError(created);
      if (status.ok()) {
        response.mutable_tasks()->Reserve(request.requests_size());
        for (v1::CreateTaskRequest& create : *request.mutable_requests()) {
          // Both are of the same arena.
          response.mutable_tasks()->UnsafeArenaAddAllocated(create.unsafe_arena_release_task());
        }
      }
    }
  }
  const grpc::Status grpc_status = ToGrpc(status);
  co_await rpc::Operation([&](void* tag) { Finish(writer, response, grpc_status, tag); });
}

rpc::Call TasksService::ListTasks(rpc::Loop& loop) {
  UnaryCall<v1::ListTasksRequest, v1::ListTasksResponse> call;
  const bool accepted = co_await rpc::Operation([&](void* tag) {
    grpc_.RequestListTasks(&call.context, &call.request, &call.writer, loop.queue(), loop.queue(), tag);
  });
  if (!accepted) co_return;
  ListTasks(loop);

  absl::StatusOr<store::ListRequest> parsed = ParseList(call.request);
  absl::Status status = parsed.status();
  if (status.ok()) {
    const PageScope scope = {"ListTasks", call.request.parent(), call.request.filter()};
    const absl::StatusOr<std::string> position = ReadPageToken(call.request.page_token(), scope);
    status = position.status();
    uint64_t after = 0;
    if (status.ok() && !position->empty() && !absl::SimpleAtoi(*position, &after)) {
      status = task::InvalidField("page_token", "must be the next_page_token of an answer");
    }
    const bool full = parsed->view == v1::TASK_VIEW_FULL;
    size_t bytes = 0;
    bool more = true;
    for (int step = 0; status.ok() && more && step < kMaxListSteps; ++step) {
      const int room = parsed->max_tasks - call.response.tasks_size();
      if (room == 0 || bytes > kMaxFullPageBytes) break;
      if (step > 0) {
        rpc::Yield to_others(loop);
        co_await to_others;
      }
      store::ListRequest list = *parsed;
      list.after_order = after;
      list.max_tasks = full ? std::min(room, kMaxFullStep) : room;
      rpc::Reply<absl::StatusOr<store::ListPage>> reply(loop);
      store_->List(std::move(list), reply.callback());
      absl::StatusOr<store::ListPage> page = co_await reply;
      status = page.status();
      if (!status.ok()) break;
      for (v1::Task& task : page->tasks) {
        if (full) bytes += task.ByteSizeLong();
        call.response.add_tasks()->Swap(&task);
      }
      after = page->last_order;
      more = page->more;
    }
    if (more) call.response.set_next_page_token(MakePageToken(scope, absl::StrCat(after)));
  }
  std::optional<UnreadAnswers::Held> held;
  if (status.ok()) {
    held.emplace(unread_, call.response.ByteSizeLong(), [&] { call.context.TryCancel(); });
    status = held->status();
  }
  const grpc::Status grpc_status = ToGrpc(status);
  co_await rpc::Operation([&](void* tag) { call.Finish(grpc_status, tag); });
}

}  // namespace errand::service
