#ifndef ERRAND_TESTS_END_TO_END_CALLS_H_
#define ERRAND_TESTS_END_TO_END_CALLS_H_

#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "errand/v1/queues.grpc.pb.h"
#include "errand/v1/tasks.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

// Calls as tests make them: with a deadline that only a hang reaches.
namespace errand {

inline void SetTestDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
}

// Any unary method: `Call(server.queues(), &v1::Queues::Stub::GetQueue, request, &response)`.
template <class Stub, class Request, class Response>
grpc::Status Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const Request& request, Response* response) {
  grpc::ClientContext context;
  SetTestDeadline(context);
  return (stub.*method)(&context, request, response);
}

inline v1::CreateTaskRequest LuaRequest(const std::string& source, const std::string& payload = "") {
  v1::CreateTaskRequest request;
  request.mutable_task()->mutable_lua()->set_source(source);
  if (!payload.empty()) request.mutable_task()->mutable_lua()->set_text(payload);
  return request;
}

// Runs a task to its end; the events are checked to be without a gap.
struct Ran {
  grpc::Status status;
  std::vector<v1::TaskEvent> events;
  v1::StateChange end;
};

inline Ran RunToEnd(v1::Tasks::Stub& stub, const v1::CreateTaskRequest& create) {
  Ran ran;
  grpc::ClientContext context;
  SetTestDeadline(context);
  v1::RunTaskRequest request;
  *request.mutable_create() = create;
  auto reader = stub.RunTask(&context, request);
  v1::RunTaskResponse response;
  while (reader->Read(&response)) {
    for (const auto& event : response.events()) {
      EXPECT_EQ(event.sequence(), static_cast<int64_t>(ran.events.size()) + 1);
      ran.events.push_back(event);
      if (event.has_state()) ran.end = event.state();
    }
  }
  ran.status = reader->Finish();
  return ran;
}

inline grpc::Status Create(v1::Tasks::Stub& stub, const v1::CreateTaskRequest& request, v1::Task* task) {
  grpc::ClientContext context;
  SetTestDeadline(context);
  v1::CreateTaskResponse response;
  grpc::Status status = stub.CreateTask(&context, request, &response);
  *task = response.task();
  return status;
}

inline grpc::Status Get(v1::Tasks::Stub& stub, const std::string& name, v1::Task* task) {
  grpc::ClientContext context;
  SetTestDeadline(context);
  v1::GetTaskRequest request;
  request.set_name(name);
  v1::GetTaskResponse response;
  grpc::Status status = stub.GetTask(&context, request, &response);
  *task = response.task();
  return status;
}

// Waits until the task has ended, or for `timeout_ms`.
inline grpc::Status Wait(v1::Tasks::Stub& stub, const std::string& name, int64_t timeout_ms, v1::Task* task) {
  grpc::ClientContext context;
  SetTestDeadline(context);
  v1::WaitTaskRequest request;
  request.set_name(name);
  request.mutable_timeout()->set_seconds(timeout_ms / 1000);
  request.mutable_timeout()->set_nanos(static_cast<int32_t>(timeout_ms % 1000) * 1'000'000);
  v1::WaitTaskResponse response;
  grpc::Status status = stub.WaitTask(&context, request, &response);
  *task = response.task();
  return status;
}

inline grpc::Status Cancel(v1::Tasks::Stub& stub, const std::string& name) {
  grpc::ClientContext context;
  SetTestDeadline(context);
  v1::CancelTaskRequest request;
  request.set_name(name);
  v1::CancelTaskResponse response;
  return stub.CancelTask(&context, request, &response);
}

// From then on its tasks wait.
inline void PauseQueue(v1::Queues::Stub& stub, const std::string& name) {
  v1::PauseQueueRequest request;
  request.set_name(name);
  v1::PauseQueueResponse response;
  const grpc::Status status = Call(stub, &v1::Queues::Stub::PauseQueue, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

// Reads a task's events until it has entered `state`.
inline void WaitForState(v1::Tasks::Stub& stub, const std::string& name, v1::TaskState state) {
  grpc::ClientContext context;
  SetTestDeadline(context);
  v1::WatchTaskRequest request;
  request.set_name(name);
  auto reader = stub.WatchTask(&context, request);
  v1::WatchTaskResponse response;
  while (reader->Read(&response)) {
    for (const auto& event : response.events()) {
      if (event.state().state() == state) return;
    }
  }
  ADD_FAILURE() << name << " never became " << v1::TaskState_Name(state);
}

template <class Detail>
std::optional<Detail> DetailOf(const google::rpc::Status& status) {
  for (const auto& any : status.details()) {
    Detail detail;
    if (any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

template <class Detail>
std::optional<Detail> DetailOf(const grpc::Status& status) {
  google::rpc::Status proto;
  if (!proto.ParseFromString(status.error_details())) return std::nullopt;
  return DetailOf<Detail>(proto);
}

template <class Status>
std::string ReasonOf(const Status& status) {
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  return info.has_value() ? info->reason() : "no ErrorInfo";
}

// The field that a refusal names.
template <class Status>
std::string FieldOf(const Status& status) {
  const auto bad = DetailOf<google::rpc::BadRequest>(status);
  return bad.has_value() && bad->field_violations_size() > 0 ? bad->field_violations(0).field()
                                                             : "no BadRequest";
}

}  // namespace errand

#endif  // ERRAND_TESTS_END_TO_END_CALLS_H_
