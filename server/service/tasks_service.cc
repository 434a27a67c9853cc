#include "server/service/tasks_service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/deadline.h"
#include "server/rpc/done_tag.h"
#include "server/rpc/mailbox.h"
#include "server/rpc/reply.h"
#include "server/service/status.h"
#include "server/service/unary_call.h"
#include "server/task/duration.h"
#include "server/task/errors.h"
#include "server/task/limits.h"
#include "server/task/name.h"
#include "server/task/validate.h"

namespace errand::service {
namespace {

// Calls of each method that wait to be accepted, a loop. Each costs a scan step at every completion.
constexpr int kArmedCalls = 16;

constexpr absl::Duration kMaxWait = absl::Hours(1);
constexpr absl::Duration kShutdownRetryDelay = absl::Seconds(1);

// Events that go into one frame at most.
constexpr int kMaxFrameEvents = 256;

using EventMailbox = rpc::Mailbox<absl::StatusOr<store::EventBatch>>;
using TaskResults = std::vector<absl::StatusOr<v1::Task>>;

// The results of a store's call about one task.
template <class Response>
grpc::Status TakeTask(TaskResults results, Response& response) {
  if (!results[0].ok()) return ToGrpc(results[0].status());
  response.mutable_task()->Swap(&*results[0]);
  return grpc::Status::OK;
}

absl::Status CheckView(v1::TaskView view) {
  if (v1::TaskView_IsValid(view)) return absl::OkStatus();
  return task::InvalidField("view", "must be TASK_VIEW_BASIC, TASK_VIEW_FULL or unset");
}

v1::TaskView FullUnlessBasic(v1::TaskView view) {
  return view == v1::TASK_VIEW_BASIC ? view : v1::TASK_VIEW_FULL;
}

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
}

}  // namespace

struct TasksService::RunMethod {
  using Request = v1::RunTaskRequest;
  using Response = v1::RunTaskResponse;
  static constexpr bool kCreates = true;
  // The first frame waits this long for more: most short tasks then need but one frame, and a caller's
  // wake-up does not compete with the script it waits for.
  static constexpr absl::Duration kLinger = absl::Milliseconds(1);
  static constexpr auto kAccept = &Grpc::RequestRunTask;
};

struct TasksService::WatchMethod {
  using Request = v1::WatchTaskRequest;
  using Response = v1::WatchTaskResponse;
  static constexpr bool kCreates = false;
  static constexpr absl::Duration kLinger = absl::ZeroDuration();
  static constexpr auto kAccept = &Grpc::RequestWatchTask;
};

TasksService::TasksService(store::TaskStore* store, SourceCheck check_source)
    : store_(store), check_source_(std::move(check_source)) {}

TasksService::~TasksService() = default;

void TasksService::Register(rpc::Server& server) { server.builder().RegisterService(&grpc_); }

void TasksService::Arm(rpc::Server& server) {
  for (const auto& loop : server.unary_loops()) {
    per_loop_.emplace(loop.get(), std::make_unique<PerLoop>(*loop, *store_));
  }
  for (const auto& loop : server.stream_loops()) {
    per_loop_.emplace(loop.get(), std::make_unique<PerLoop>(*loop, *store_));
  }
  for (int i = 0; i < kArmedCalls; ++i) {
    for (const auto& loop : server.unary_loops()) {
      CreateTask(*loop);
      GetTask(*loop);
      CancelTask(*loop);
    }
    for (const auto& loop : server.stream_loops()) {
      WaitTask(*loop);
      Stream<RunMethod>(*loop);
      Stream<WatchMethod>(*loop);
    }
  }
}

void TasksService::RefuseWork() { refusing_.store(true); }

void TasksService::EndStreams() {
  for (auto& [loop, state] : per_loop_) state->streams.Close(task::ShuttingDown(kShutdownRetryDelay));
}

absl::StatusOr<store::Submission> TasksService::Prepare(v1::CreateTaskRequest& request,
                                                        absl::string_view path) const {
  if (refusing_.load(std::memory_order_relaxed)) return task::ShuttingDown(kShutdownRetryDelay);
  if (request.parent().empty()) request.set_parent(std::string(task::kDefaultQueue));
  absl::Status status = task::CheckQueueName(request.parent(), absl::StrCat(path, "parent"));
  if (!status.ok()) return status;
  if (!request.task_id().empty()) {
    status = task::CheckId(request.task_id(), absl::StrCat(path, "task_id"));
    if (!status.ok()) return status;
  }
  if (request.request_id().size() > task::kMaxRequestIdBytes) {
    return task::InvalidField(absl::StrCat(path, "request_id"),
                              absl::StrCat("must be at most ", task::kMaxRequestIdBytes, " bytes"));
  }
  if (!request.has_task()) return task::InvalidField(absl::StrCat(path, "task"), "must be set");
  status = task::ValidateTask(request.task(), path.empty() ? "task" : "create.task", absl::Now());
  if (!status.ok()) return status;

  auto task = std::make_shared<v1::Task>();
  task->Swap(request.mutable_task());
  ClearOutputOnly(*task);
  task::FillDefaults(*task);
  task->set_durability(v1::DURABILITY_MEMORY);
  task->set_uid(task::NewUid());
  task->set_name(
      task::TaskName(request.parent(), request.task_id().empty() ? task->uid() : request.task_id()));
  store::Submission submission;
  submission.task = std::move(task);
  submission.request_id = std::move(*request.mutable_request_id());
  return submission;
}

bool TasksService::MustCheckSource(const absl::StatusOr<store::Submission>& submission) const {
  return submission.ok() && submission->task->has_lua() && check_source_ != nullptr;
}

rpc::Call TasksService::CreateTask(rpc::Loop& loop) {
  UnaryCall<v1::CreateTaskRequest, v1::CreateTaskResponse> call;
  const bool accepted = co_await rpc::Operation([&](void* tag) {
    grpc_.RequestCreateTask(&call.context, &call.request, &call.writer, loop.queue(), loop.queue(), tag);
  });
  if (!accepted) co_return;
  CreateTask(loop);

  absl::StatusOr<store::Submission> submission = Prepare(call.request, "");
  if (MustCheckSource(submission)) {
    rpc::Reply<absl::Status> checked(loop);
    check_source_("task.lua.source", submission->task->lua().source(), checked.callback());
    absl::Status status = co_await checked;
    if (!status.ok()) submission = std::move(status);
  }
  grpc::Status status;
  if (!submission.ok()) {
    status = ToGrpc(submission.status());
  } else if (call.request.validate_only()) {
    v1::Task& task = *call.response.mutable_task();
    task = *submission->task;
    if (task.has_lua()) task.mutable_lua()->Clear();
    if (task.has_email()) task.mutable_email()->Clear();
    task.set_state(task.has_schedule_time() && task::FromProto(task.schedule_time()) > absl::Now()
                       ? v1::TASK_STATE_SCHEDULED
                       : v1::TASK_STATE_QUEUED);
  } else {
    absl::StatusOr<v1::Task> created = co_await Of(loop).submitter.Submit(*std::move(submission));
    status = ToGrpc(created.status());
    if (created.ok()) call.response.mutable_task()->Swap(&*created);
  }
  co_await rpc::Operation([&](void* tag) { call.Finish(status, tag); });
}

rpc::Call TasksService::GetTask(rpc::Loop& loop) {
  UnaryCall<v1::GetTaskRequest, v1::GetTaskResponse> call;
  const bool accepted = co_await rpc::Operation([&](void* tag) {
    grpc_.RequestGetTask(&call.context, &call.request, &call.writer, loop.queue(), loop.queue(), tag);
  });
  if (!accepted) co_return;
  GetTask(loop);

  absl::Status valid = task::CheckTaskName(call.request.name(), "name");
  if (valid.ok()) valid = CheckView(call.request.view());
  grpc::Status status = ToGrpc(valid);
  if (valid.ok()) {
    rpc::Reply<TaskResults> reply(loop);
    store_->Get({{call.request.name(), FullUnlessBasic(call.request.view())}}, reply.callback());
    TaskResults results = co_await reply;
    status = TakeTask(std::move(results), call.response);
  }
  co_await rpc::Operation([&](void* tag) { call.Finish(status, tag); });
}

rpc::Call TasksService::CancelTask(rpc::Loop& loop) {
  UnaryCall<v1::CancelTaskRequest, v1::CancelTaskResponse> call;
  const bool accepted = co_await rpc::Operation([&](void* tag) {
    grpc_.RequestCancelTask(&call.context, &call.request, &call.writer, loop.queue(), loop.queue(), tag);
  });
  if (!accepted) co_return;
  CancelTask(loop);

  const absl::Status valid = task::CheckTaskName(call.request.name(), "name");
  grpc::Status status = ToGrpc(valid);
  if (valid.ok()) {
    rpc::Reply<TaskResults> reply(loop);
    store_->Cancel({{call.request.name(), call.request.etag()}}, reply.callback());
    TaskResults results = co_await reply;
    status = TakeTask(std::move(results), call.response);
  }
  co_await rpc::Operation([&](void* tag) { call.Finish(status, tag); });
}

rpc::Call TasksService::WaitTask(rpc::Loop& loop) {
  UnaryCall<v1::WaitTaskRequest, v1::WaitTaskResponse> call;
  rpc::DoneTag done(call.context);
  const bool accepted = co_await rpc::Operation([&](void* tag) {
    grpc_.RequestWaitTask(&call.context, &call.request, &call.writer, loop.queue(), loop.queue(), tag);
  });
  if (!accepted) co_return;
  WaitTask(loop);

  absl::Status status = task::CheckTaskName(call.request.name(), "name");
  if (status.ok()) status = CheckView(call.request.view());
  if (status.ok() && call.request.has_timeout()) {
    status = task::ValidateDuration(call.request.timeout(), "timeout", absl::ZeroDuration(), kMaxWait);
  }
  if (status.ok()) {
    auto mailbox = std::make_shared<EventMailbox>(loop, 1);
    const OpenStreams<Events>::Membership membership(Of(loop).streams, mailbox);
    done.OnDone([&] { mailbox->Close(absl::CancelledError("the client has gone")); });
    const absl::Duration timeout =
        call.request.has_timeout() ? task::FromProto(call.request.timeout()) : kMaxWait;
    rpc::Deadline deadline(loop, absl::Now() + timeout, [&] { mailbox->Close(absl::OkStatus()); });
    int64_t after_sequence = 0;
    for (bool ended = false; !ended && status.ok();) {
      store::WatchRequest watch{call.request.name(), after_sequence, kMaxFrameEvents};
      const store::WaitId id =
          store_->Watch(std::move(watch), [mailbox](Events batch) { mailbox->Push(std::move(batch)); });
      std::optional<Events> received = co_await mailbox->Receive();
      if (!received.has_value()) {
        store_->StopWaiting(id);
        status = mailbox->reason();
        break;  // A timeout is no error: the answer is the task as it is.
      }
      status = received->status();
      if (!status.ok()) break;
      ended = (*received)->ended;
      if (!(*received)->events.empty()) after_sequence = (*received)->events.back()->sequence();
    }
    deadline.Cancel();
    done.OnDone(nullptr);
    co_await deadline;
  }
  grpc::Status grpc_status = ToGrpc(status);
  if (status.ok()) {
    rpc::Reply<TaskResults> reply(loop);
    store_->Get({{call.request.name(), FullUnlessBasic(call.request.view())}}, reply.callback());
    TaskResults results = co_await reply;
    grpc_status = TakeTask(std::move(results), call.response);
  }
  co_await rpc::Operation([&](void* tag) { call.Finish(grpc_status, tag); });
  co_await done;
}

template <class Method>
rpc::Call TasksService::Stream(rpc::Loop& loop) {
  grpc::ServerContext context;
  typename Method::Request request;
  typename Method::Response response;
  grpc::ServerAsyncWriter<typename Method::Response> writer(&context);
  rpc::DoneTag done(context);
  const bool accepted = co_await rpc::Operation([&](void* tag) {
    (grpc_.*Method::kAccept)(&context, &request, &writer, loop.queue(), loop.queue(), tag);
  });
  if (!accepted) co_return;
  Stream<Method>(loop);

  store::WatchRequest watch;
  absl::Status status;
  if constexpr (Method::kCreates) {
    absl::StatusOr<store::Submission> submission = Prepare(*request.mutable_create(), "create.");
    if (submission.ok() && request.create().validate_only()) {
      submission = task::InvalidField("create.validate_only", "must not be set: use CreateTask to validate");
    }
    if (MustCheckSource(submission)) {
      rpc::Reply<absl::Status> checked(loop);
      check_source_("create.task.lua.source", submission->task->lua().source(), checked.callback());
      absl::Status check = co_await checked;
      if (!check.ok()) submission = std::move(check);
    }
    status = submission.status();
    if (status.ok()) {
      absl::StatusOr<v1::Task> created = co_await Of(loop).submitter.Submit(*std::move(submission));
      status = created.status();
      if (status.ok()) watch.name = created->name();
    }
  } else {
    status = task::CheckTaskName(request.name(), "name");
    if (status.ok() && request.after_sequence() < 0) {
      status = task::InvalidField("after_sequence", "must not be negative");
    }
    if (status.ok() && refusing_.load(std::memory_order_relaxed)) {
      status = task::ShuttingDown(kShutdownRetryDelay);
    }
    watch.name = request.name();
    watch.after_sequence = request.after_sequence();
  }

  bool last_frame = false;  // `response` holds it; it goes out with the status.
  if (status.ok()) {
    watch.max_events = kMaxFrameEvents;
    // Holds one batch, and the end of the linger. The store keeps the rest, whatever the reader's pace.
    auto mailbox = std::make_shared<EventMailbox>(loop, 2);
    const OpenStreams<Events>::Membership membership(Of(loop).streams, mailbox);
    done.OnDone([&] { mailbox->Close(absl::CancelledError("the client has gone")); });
    std::optional<rpc::Deadline> linger;
    bool lingering = false;
    bool watching = false;
    store::WaitId watch_id = 0;
    while (status.ok()) {
      if (!std::exchange(watching, true)) {
        watch_id = store_->Watch(watch, [mailbox](Events batch) { mailbox->Push(std::move(batch)); });
      }
      std::optional<Events> received = co_await mailbox->Receive();
      status = received.has_value() ? received->status() : mailbox->reason();
      if (!status.ok()) break;
      const store::EventBatch& batch = **received;
      if (batch.events.empty() && !batch.ended) {
        lingering = false;
      } else {
        watching = false;
        for (const auto& event : batch.events) *response.add_events() = *event;
        if (!batch.events.empty()) watch.after_sequence = batch.events.back()->sequence();
      }
      if (batch.ended) {
        last_frame = response.events_size() > 0;
        break;
      }
      if (Method::kLinger > absl::ZeroDuration() && !linger.has_value()) {
        lingering = true;
        linger.emplace(loop, absl::Now() + Method::kLinger,
                       [mailbox] { mailbox->Push(store::EventBatch()); });
      }
      if (lingering || response.events_size() == 0) continue;
      const bool written = co_await rpc::Operation([&](void* tag) { writer.Write(response, tag); });
      if (!written) status = absl::CancelledError("the client has gone");
      response.Clear();
    }
    if (watching) store_->StopWaiting(watch_id);
    if (linger.has_value()) {
      rpc::Deadline& pending = *linger;  // g++ 12 copies what is awaited through an operator.
      pending.Cancel();
      co_await pending;
    }
    done.OnDone(nullptr);
  }
  const grpc::Status grpc_status = ToGrpc(status);
  co_await rpc::Operation([&](void* tag) {
    if (last_frame) {
      writer.WriteAndFinish(response, grpc::WriteOptions(), grpc_status, tag);
    } else {
      writer.Finish(grpc_status, tag);
    }
  });
  co_await done;
}

}  // namespace errand::service
