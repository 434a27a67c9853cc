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
#include "server/service/answer_size.h"
#include "server/service/page_token.h"
#include "server/service/read_mask.h"
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
// The most tasks of a step in FULL view, and of the first: how large they are is not known before.
constexpr int kMaxFullStep = 20;
constexpr int kFirstFullStep = 4;

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

absl::Status AtRequest(size_t index, const absl::Status& status) {
  return task::At(absl::StrCat("requests[", index, "]"), status);
}

// All that is wrong with a batch's requests.
absl::Status AllErrors(const std::vector<absl::StatusOr<store::Submission>>& submissions) {
  task::Violations found;
  for (size_t i = 0; i < submissions.size(); ++i) {
    if (!submissions[i].ok()) found.Add(AtRequest(i, submissions[i].status()));
  }
  return found.status();
}

// The first of the store's errors, named by its request.
absl::Status FirstError(const std::vector<absl::Status>& results) {
  size_t first = results.size();
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].ok()) continue;
    // Those that are CANCELLED were not to blame (SubmitMode::kAllOrNone).
    if (first == results.size()) first = i;
    if (absl::IsCancelled(results[i])) continue;
    first = i;
    break;
  }
  return first == results.size() ? absl::OkStatus() : AtRequest(first, results[first]);
}

// What a list request asks for, without the page's place.
absl::StatusOr<store::ListRequest> ParseList(const v1::ListTasksRequest& request) {
  store::ListRequest list;
  task::Violations found;
  if (request.parent() != kAllQueues) {
    found.Add(task::CheckQueueName(request.parent(), "parent"));
    list.queue = request.parent();
  }
  found.Add(CheckView(request.view()));
  list.view = BasicUnlessFull(request.view());
  const absl::StatusOr<int> page_size = PageSize(request.page_size());
  found.Add(page_size.status());
  if (page_size.ok()) list.max_tasks = *page_size;
  if (!request.filter().empty()) {
    absl::StatusOr<task::Filter> filter = task::Filter::Parse(request.filter(), "filter");
    found.Add(filter.status());
    if (filter.ok()) list.filter = std::make_shared<const task::Filter>(*std::move(filter));
  }
  if (!found.ok()) return found.status();
  return list;
}

// A page of tasks that a client with gRPC's defaults takes.
class PageRoom {
 public:
  // Makes `task` fit; false where the page has no room for it any more.
  bool Take(v1::Task& task) {
    size_t bytes = task.ByteSizeLong();
    if (bytes > kMaxItemBytes) {
      ReduceToBasic(task);
      task.set_reduced(true);
      bytes = task.ByteSizeLong();
    }
    if (bytes_ > 0 && bytes_ + bytes > kMaxItemBytes) return false;
    bytes_ += bytes;
    largest_ = std::max(largest_, bytes);
    return true;
  }

  // How many more tasks like those so far may fit; at least 1.
  int Fitting() const {
    if (largest_ == 0) return kFirstFullStep;
    return static_cast<int>(std::clamp<size_t>((kMaxItemBytes - bytes_) / largest_, 1, kMaxFullStep));
  }

 private:
  size_t bytes_ = 0;
  size_t largest_ = 0;
};

}  // namespace

struct TasksService::GetMethod {
  using Request = v1::GetTaskRequest;
  using Response = v1::GetTaskResponse;
  using Answer = TaskResults;
  static absl::Status Check(const Request& request) {
    task::Violations found;
    found.Add(task::CheckTaskName(request.name(), "name"));
    found.Add(CheckView(request.view()));
    found.Add(CheckReadMask(request.read_mask(), "read_mask"));
    if (request.max_bytes() < 0) found.Add(task::InvalidField("max_bytes", "must not be negative"));
    return found.status();
  }
  static void Ask(store::TaskStore& store, Request& request, store::Callback<Answer> done) {
    store.Get({{std::move(*request.mutable_name()), FullUnlessBasic(request.view())}}, std::move(done));
  }
  static absl::Status Take(const Request& request, Answer answer, Response& response) {
    if (!answer[0].ok()) return answer[0].status();
    ApplyReadMask(request.read_mask(), *answer[0]);
    response.mutable_task()->Swap(&*answer[0]);
    return CheckAnswerBytes(response, request.max_bytes());
  }
};

struct TasksService::CancelMethod {
  using Request = v1::CancelTaskRequest;
  using Response = v1::CancelTaskResponse;
  using Answer = absl::StatusOr<store::CancelledTree>;
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
  static absl::Status Take(const Request&, Answer answer, Response& response) {
    if (!answer.ok()) return answer.status();
    if (answer->task.has_value()) response.mutable_task()->Swap(&*answer->task);
    response.set_descendants_count(answer->descendants);
    response.set_stopping(response.task().state() == v1::TASK_STATE_RUNNING);
    return absl::OkStatus();
  }
};

struct TasksService::RetryMethod {
  using Request = v1::RetryTaskRequest;
  using Response = v1::RetryTaskResponse;
  using Answer = TaskResults;
  static absl::Status Check(const Request& request) { return task::CheckTaskName(request.name(), "name"); }
  static void Ask(store::TaskStore& store, Request& request, store::Callback<Answer> done) {
    store.Retry({{std::move(*request.mutable_name()), request.etag()}}, std::move(done));
  }
  static absl::Status Take(const Request&, Answer answer, Response& response) {
    return TakeTask(std::move(answer[0]), response);
  }
};

struct TasksService::DeleteMethod {
  using Request = v1::DeleteTaskRequest;
  using Response = v1::DeleteTaskResponse;
  using Answer = std::vector<absl::Status>;
  static absl::Status Check(const Request& request) { return task::CheckTaskName(request.name(), "name"); }
  static void Ask(store::TaskStore& store, Request& request, store::Callback<Answer> done) {
    store.Delete({{std::move(*request.mutable_name()), request.etag()}}, std::move(done));
  }
  static absl::Status Take(const Request&, Answer answer, Response&) { return std::move(answer[0]); }
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
    for (int i = 0; i < kArmedRareCalls; ++i) ArmRareStreams(*loop);
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
  const bool accepted = co_await rpc::Operation(
      [&](void* tag) { grpc_.AcceptUnary(call.context, call.received, call.writer, loop, tag); });
  if (!accepted) co_return;
  CreateTask(loop);

  absl::Status status = call.received.status;
  if (status.ok()) status = intake_.CheckOpen();
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
  Received<v1::BatchCreateTasksRequest> received(request);
  auto& response = *google::protobuf::Arena::CreateMessage<v1::BatchCreateTasksResponse>(&arena);
  grpc::ServerContext context;
  grpc::ServerAsyncResponseWriter<v1::BatchCreateTasksResponse> writer(&context);
  const bool accepted =
      co_await rpc::Operation([&](void* tag) { grpc_.AcceptUnary(context, received, writer, loop, tag); });
  if (!accepted) co_return;
  BatchCreateTasks(loop);

  absl::Status status = received.status;
  if (status.ok()) status = intake_.CheckOpen();
  if (status.ok()) {
    absl::StatusOr<std::vector<absl::StatusOr<store::Submission>>> submissions = PrepareBatch(request);
    status = submissions.status();
    if (status.ok()) status = AllErrors(*submissions);
    if (status.ok()) {
      SourceChecks checks(loop, check_source_);
      for (auto& submission : *submissions) checks.Add(submission);
      co_await checks;
      status = AllErrors(*submissions);
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
        if (response.ByteSizeLong() > kDefaultMaxBytes) {
          for (v1::Task& task : *response.mutable_tasks()) ReduceToEssence(task);
        }
      }
    }
  }
  const grpc::Status grpc_status = ToGrpc(status);
  co_await rpc::Operation([&](void* tag) { Finish(writer, response, grpc_status, tag); });
}

rpc::Call TasksService::ListTasks(rpc::Loop& loop) {
  UnaryCall<v1::ListTasksRequest, v1::ListTasksResponse> call;
  const bool accepted = co_await rpc::Operation(
      [&](void* tag) { grpc_.AcceptUnary(call.context, call.received, call.writer, loop, tag); });
  if (!accepted) co_return;
  ListTasks(loop);

  absl::StatusOr<store::ListRequest> parsed = store::ListRequest();
  if (call.received.status.ok()) {
    parsed = ParseList(call.request);
  } else {
    parsed = call.received.status;
  }
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
    PageRoom page_room;
    bool more = true;
    bool filled = false;
    for (int step = 0; status.ok() && more && !filled && step < kMaxListSteps; ++step) {
      const int room = parsed->max_tasks - call.response.tasks_size();
      if (room == 0) break;
      if (step > 0) {
        rpc::Yield to_others(loop);
        co_await to_others;
      }
      store::ListRequest list = *parsed;
      list.after_order = after;
      list.max_tasks = full ? std::min(room, page_room.Fitting()) : room;
      rpc::Reply<absl::StatusOr<store::ListPage>> reply(loop);
      store_->List(std::move(list), reply.callback());
      absl::StatusOr<store::ListPage> page = co_await reply;
      status = page.status();
      if (!status.ok()) break;
      for (size_t i = 0; i < page->tasks.size(); ++i) {
        filled = !page_room.Take(page->tasks[i]);
        if (filled) break;
        call.response.add_tasks()->Swap(&page->tasks[i]);
        after = page->orders[i];
      }
      if (filled) break;  // The rest is on the next page.
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
