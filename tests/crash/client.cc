#include "tests/crash/client.h"

#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/crash/timestamp.h"
#include "tests/end_to_end/calls.h"

namespace errand {
namespace {

// Enough to have something to do at any moment, and little enough to be done with soon.
constexpr int kMaxUnended = 40;
constexpr int kMaxAttempts = 50;  // The server keeps the last 100.

constexpr char kLoadQueue[] = "queues/load";
constexpr char kKeyedQueue[] = "queues/keyed";

}  // namespace

Client::Client(int number, uint64_t seed)
    : number_(number), random_(seed), queue_(absl::StrCat("queues/of-client-", number)) {}

std::string Client::SubmissionId(int64_t submission) const {
  return absl::StrCat("c", number_, "-", submission);
}

void Client::Connect(const ServerProcess& server) {
  const std::shared_ptr<grpc::Channel> channel = server.NewChannel();
  tasks_stub_ = v1::Tasks::NewStub(channel);
  queues_stub_ = v1::Queues::NewStub(channel);
  kill_ = nullptr;
  lost_ = false;
}

void Client::Disconnect() {
  tasks_stub_ = nullptr;
  queues_stub_ = nullptr;
}

void Client::Load(Kill& kill) {
  kill_ = &kill;
  while (!lost_ && !kill.begun()) {
    const auto unended =
        std::count_if(tasks_.begin(), tasks_.end(), [](const auto& entry) { return !entry.second.ended(); });
    // Calls that make work come last.
    const int call = Random(unended < kMaxUnended ? 100 : 70);
    if (call < 8) {
      Look();
    } else if (call < 14) {
      Wait();
    } else if (call < 26) {
      Watch();
    } else if (call < 33) {
      Cancel();
    } else if (call < 40) {
      Retry();
    } else if (call < 57) {
      Delete();
    } else if (call < 63) {
      SendAgain();
    } else if (call < 70) {
      ChangeQueue();
    } else if (call < 90) {
      Submit();
    } else if (call < 95) {
      SubmitBatch();
    } else {
      Run();
    }
  }
}

AcknowledgedTask& Client::NewTask() {
  const int64_t submission = next_submission_++;
  const std::string id = SubmissionId(submission);
  const ScriptKind kind = static_cast<ScriptKind>(Random(kScriptKinds));
  v1::CreateTaskRequest request = LuaRequest(SourceOf(kind), id);
  v1::Task& task = *request.mutable_task();
  (*task.mutable_labels())["client"] = absl::StrCat(number_);
  (*task.mutable_labels())["submission"] = absl::StrCat(submission);
  const std::string queues[] = {kLoadQueue, kKeyedQueue, kSerialQueue, queue_.name()};
  request.set_parent(queues[Random(4)]);
  if (request.parent() == kKeyedQueue || (request.parent() != kSerialQueue && Random(4) == 0)) {
    task.set_ordering_key(absl::StrCat("c", number_, "-", Random(3)));
  }
  if (Random(2) == 0) request.set_task_id(id);
  if (Random(2) == 0) request.set_request_id(id);
  if (Random(6) == 0)
    *task.mutable_schedule_time() = TimestampOf(absl::Now() + absl::Milliseconds(5 + Random(150)));
  if (Random(3) > 0) {
    v1::RetryPolicy& policy = *task.mutable_retry_policy();
    policy.set_max_attempts(2 + Random(3));
    policy.mutable_min_backoff()->set_nanos(5'000'000);
    policy.mutable_max_backoff()->set_nanos(20'000'000);
  }
  return tasks_.emplace(submission, AcknowledgedTask(std::move(request), kind, next_position_++))
      .first->second;
}

template <class Predicate>
Client::Tasks::iterator Client::Pick(Predicate fits) {
  if (tasks_.empty()) return tasks_.end();
  const auto from = std::next(tasks_.begin(), Random(static_cast<int>(tasks_.size())));
  const auto matches = [&](const auto& entry) {
    return entry.second.created() && !entry.second.delete_open() && fits(entry.second);
  };
  const auto found = std::find_if(from, tasks_.end(), matches);
  if (found != tasks_.end()) return found;
  const auto earlier = std::find_if(tasks_.begin(), from, matches);
  return earlier == from ? tasks_.end() : earlier;
}

bool Client::Answered(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::INTERNAL:
      break;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      ADD_FAILURE() << "a call that is not answered: " << status.error_message();
      break;
    default:
      return true;
  }
  EXPECT_TRUE(lost_ || (kill_ != nullptr && kill_->begun()))
      << "nobody has killed the server: " << status.error_code() << " " << status.error_message();
  ++tally_.open;
  lost_ = true;
  return false;
}

bool Client::Accepted(const grpc::Status& status, const std::string& call, const AcknowledgedTask& about) {
  return Accepted(status, call, status.ok() ? about.name() : about.Describe());
}

bool Client::Accepted(const grpc::Status& status, const std::string& call, const std::string& about) {
  if (!Answered(status)) return false;
  if (status.ok()) {
    KillOneTimeIn(1000);
    return true;
  }
  ADD_FAILURE() << call << ", " << about << "\n  expected: OK\n  there is: " << status.error_code() << " "
                << status.error_message();
  return false;
}

void Client::KillOneTimeIn(int times) {
  if (kill_ != nullptr && Random(times) == 0) kill_->Now();
}

void Client::See(AcknowledgedTask& task, const v1::Task& answer) {
  const bool news = !task.end().has_value();
  task.See(answer);
  if (!task.end().has_value() || !news) return;
  ++tally_.ended;
  if (task.request().parent() == queue_.name()) queue_.CheckStarts(answer);
}

bool Client::CallCreate(AcknowledgedTask& task) {
  v1::Task answer;
  if (!Accepted(Create(*tasks_stub_, task.request(), &answer), "CreateTask", task)) return false;
  task.SeeBasic(answer);
  return true;
}

void Client::Submit() {
  if (CallCreate(NewTask())) ++tally_.submitted;
}

void Client::SubmitBatch() {
  v1::BatchCreateTasksRequest request;
  std::vector<int64_t> batch;
  std::vector<AcknowledgedTask*> tasks;
  for (int size = 2 + Random(6); size > 0; --size) {
    batch.push_back(next_submission_);
    tasks.push_back(&NewTask());
    *request.add_requests() = tasks.back()->request();
  }
  v1::BatchCreateTasksResponse response;
  const grpc::Status status = Call(*tasks_stub_, &v1::Tasks::Stub::BatchCreateTasks, request, &response);
  if (!Accepted(status, "BatchCreateTasks", *tasks[0])) {
    open_batches_.push_back(std::move(batch));
    return;
  }
  ASSERT_EQ(response.tasks_size(), static_cast<int>(tasks.size()));
  for (int i = 0; i < response.tasks_size(); ++i) tasks[static_cast<size_t>(i)]->SeeBasic(response.tasks(i));
  ++tally_.batches;
  tally_.submitted += response.tasks_size();
}

void Client::SendAgain() {
  const auto task = Pick([](const AcknowledgedTask& one) { return !one.request().request_id().empty(); });
  if (task != tasks_.end() && CallCreate(task->second)) ++tally_.sent_again;
}

void Client::Run() {
  AcknowledgedTask& task = NewTask();
  v1::RunTaskRequest request;
  *request.mutable_create() = task.request();
  grpc::ClientContext context;
  SetTestDeadline(context);
  const auto reader = tasks_stub_->RunTask(&context, request);
  v1::RunTaskResponse response;
  // A task that waits long is left after its first events.
  const bool patient = task.request().parent() == kLoadQueue;
  while (reader->Read(&response)) {
    for (const v1::TaskEvent& event : response.events()) task.See(event);
    if (!patient) break;
  }
  if (!patient && task.created()) context.TryCancel();
  const grpc::Status status = reader->Finish();
  if (status.error_code() == grpc::StatusCode::CANCELLED && !patient && task.created()) {
    ++tally_.submitted;
  } else if (Accepted(status, "RunTask", task)) {
    ++tally_.submitted;
    if (LookAt(task)) task.CheckAllEvents();
  }
}

bool Client::LookAt(AcknowledgedTask& task) {
  v1::Task answer;
  if (!Accepted(Get(*tasks_stub_, task.name(), &answer), "GetTask", task)) return false;
  See(task, answer);
  return true;
}

void Client::Look() {
  const auto task = Pick([](const AcknowledgedTask&) { return true; });
  if (task != tasks_.end()) LookAt(task->second);
}

void Client::Wait() {
  const auto task = Pick([](const AcknowledgedTask& one) { return !one.ended(); });
  if (task == tasks_.end()) return;
  v1::Task answer;
  const grpc::Status status = errand::Wait(*tasks_stub_, task->second.name(), 10, &answer);
  if (Accepted(status, "WaitTask", task->second)) See(task->second, answer);
}

bool Client::ReadEvents(AcknowledgedTask& task, int64_t after_sequence, int64_t stop_after,
                        absl::Duration patience) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + patience));
  v1::WatchTaskRequest request;
  request.set_name(task.name());
  request.set_after_sequence(after_sequence);
  const auto reader = tasks_stub_->WatchTask(&context, request);
  v1::WatchTaskResponse response;
  int64_t sequence = after_sequence;
  while (sequence < stop_after && reader->Read(&response)) {
    for (const v1::TaskEvent& event : response.events()) {
      EXPECT_EQ(event.sequence(), sequence + 1) << task.Describe();
      sequence = event.sequence();
      task.See(event);
    }
  }
  const bool enough = sequence >= stop_after;
  if (enough) context.TryCancel();
  const grpc::Status status = reader->Finish();
  if (enough) return true;
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) return false;
  return Accepted(status, "WatchTask", task);
}

void Client::Watch() {
  const auto picked = Pick([](const AcknowledgedTask&) { return true; });
  if (picked == tasks_.end()) return;
  AcknowledgedTask& task = picked->second;
  const int64_t after = Random(2) == 0 ? 0 : static_cast<int64_t>(task.events().size());
  if (!ReadEvents(task, after, INT64_MAX, absl::Milliseconds(5 + Random(20)))) return;
  ++tally_.watched;
  if (LookAt(task)) task.CheckAllEvents();
}

void Client::Cancel() {
  const auto picked = Pick([](const AcknowledgedTask& one) { return !one.ended(); });
  if (picked == tasks_.end()) return;
  AcknowledgedTask& task = picked->second;
  v1::CancelTaskRequest request;
  request.set_name(task.name());
  v1::CancelTaskResponse response;
  task.CancelBegins();
  const grpc::Status status = Call(*tasks_stub_, &v1::Tasks::Stub::CancelTask, request, &response);
  if (status.error_code() == grpc::StatusCode::FAILED_PRECONDITION) {
    if (!LookAt(task)) return;
    EXPECT_TRUE(task.ended()) << "it was not cancelled because it had ended: " << task.Describe();
  } else if (Accepted(status, "CancelTask", task)) {
    // Its attempt is about to be stopped.
    if (response.task().state() == v1::TASK_STATE_RUNNING) KillOneTimeIn(8);
    task.Cancelled(response.task());
    ++tally_.cancelled;
  }
}

void Client::Retry() {
  const auto picked = Pick([](const AcknowledgedTask& one) {
    return one.end().has_value() && one.end()->state() != v1::TASK_STATE_SUCCEEDED &&
           one.end()->attempt_count() < kMaxAttempts;
  });
  if (picked == tasks_.end()) return;
  AcknowledgedTask& task = picked->second;
  v1::RetryTaskRequest request;
  request.set_name(task.name());
  if (Random(2) == 0) request.set_etag(task.end()->etag());
  v1::RetryTaskResponse response;
  task.RetryBegins();
  const grpc::Status status = Call(*tasks_stub_, &v1::Tasks::Stub::RetryTask, request, &response);
  if (!Accepted(status, "RetryTask", task)) return;
  task.Retried(response.task());
  ++tally_.retried;
}

Client::Tasks::iterator Client::Forget(Tasks::iterator task) {
  if (task->second.end().has_value()) runs_.emplace_back(task->second, number_);
  deleted_.push_back(std::move(task->second));
  return tasks_.erase(task);
}

void Client::CallDelete(Tasks::iterator task, bool with_etag) {
  v1::DeleteTaskRequest request;
  request.set_name(task->second.name());
  if (with_etag) request.set_etag(task->second.end()->etag());
  v1::DeleteTaskResponse response;
  task->second.DeleteBegins();
  const grpc::Status status = Call(*tasks_stub_, &v1::Tasks::Stub::DeleteTask, request, &response);
  if (!Accepted(status, "DeleteTask", task->second)) return;
  Forget(task);
  ++tally_.deleted;
}

void Client::Delete() {
  const auto task = Pick([](const AcknowledgedTask& one) { return one.end().has_value(); });
  if (task != tasks_.end()) CallDelete(task, Random(2) == 0);
}

void Client::CallUpdateQueue(v1::Queue wanted) {
  v1::UpdateQueueRequest request;
  *request.mutable_queue() = wanted;
  request.mutable_update_mask()->add_paths("max_running");
  request.mutable_update_mask()->add_paths("weight");
  v1::UpdateQueueResponse response;
  queue_.ChangeBegins(std::move(wanted));
  const grpc::Status status = Call(*queues_stub_, &v1::Queues::Stub::UpdateQueue, request, &response);
  if (Accepted(status, "UpdateQueue", queue_.name())) queue_.See(response.queue());
}

void Client::CallSetPaused(bool paused) {
  v1::Queue wanted = queue_.known();
  wanted.set_state(paused ? v1::QUEUE_STATE_PAUSED : v1::QUEUE_STATE_RUNNING);
  queue_.ChangeBegins(std::move(wanted));
  if (paused) {
    v1::PauseQueueRequest request;
    request.set_name(queue_.name());
    v1::PauseQueueResponse response;
    const grpc::Status status = Call(*queues_stub_, &v1::Queues::Stub::PauseQueue, request, &response);
    if (Accepted(status, "PauseQueue", queue_.name())) queue_.See(response.queue());
  } else {
    v1::ResumeQueueRequest request;
    request.set_name(queue_.name());
    v1::ResumeQueueResponse response;
    const grpc::Status status = Call(*queues_stub_, &v1::Queues::Stub::ResumeQueue, request, &response);
    if (Accepted(status, "ResumeQueue", queue_.name())) queue_.See(response.queue());
  }
}

void Client::ChangeQueue() {
  if (queue_.known().etag().empty() || Random(2) == 0) {
    v1::Queue wanted = queue_.known();
    if (wanted.state() == v1::QUEUE_STATE_UNSPECIFIED) wanted.set_state(v1::QUEUE_STATE_RUNNING);
    wanted.set_max_running(1 + Random(5));
    wanted.set_weight(1 + Random(3));
    CallUpdateQueue(std::move(wanted));
  } else {
    CallSetPaused(!queue_.paused());
  }
  if (!lost_) ++tally_.queue_changes;
}

}  // namespace errand
