#include "tests/client/fake_server.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "google/rpc/error_details.pb.h"

#if defined(__SANITIZE_THREAD__)
// The test and the methods it sets share variables, in turns: a call and its answer are what orders them, and
// those pass through gRPC, which the sanitizer does not see into. The other library is Abseil's bookkeeping
// of mutexes, which is not instrumented.
extern "C" const char* __tsan_default_suppressions() {
  return "race:tests/client/fake_server.cc\ncalled_from_lib:libabsl_graphcycles_internal.so\n";
}
#endif

namespace errand {
namespace {

template <class Method, class... Args>
grpc::Status Answer(const Method& method, Args&&... args) {
  if (!method) return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "the test did not set this method");
  return method(std::forward<Args>(args)...);
}

template <class Detail>
void Add(google::rpc::Status& status, const Detail& detail) {
  status.add_details()->PackFrom(detail);
}

grpc::Status ToGrpc(google::rpc::Status status, const std::string& reason,
                    std::map<std::string, std::string> metadata = {}) {
  google::rpc::ErrorInfo info;
  info.mutable_metadata()->insert(metadata.begin(), metadata.end());
  info.set_reason(reason);
  info.set_domain("errand.dev");
  Add(status, info);
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), status.message(),
                      status.SerializeAsString());
}

google::rpc::Status BadField(const std::string& field, const std::string& problem) {
  google::rpc::Status status;
  status.set_code(grpc::StatusCode::INVALID_ARGUMENT);
  status.set_message(absl::StrCat(field, ": ", problem));
  google::rpc::BadRequest bad;
  bad.add_field_violations()->set_field(field);
  bad.mutable_field_violations(0)->set_description(problem);
  Add(status, bad);
  return status;
}

v1::TaskEvent Event(int64_t sequence) {
  v1::TaskEvent event;
  event.set_sequence(sequence);
  event.set_task(kName);
  event.set_attempt(1);
  event.mutable_event_time()->set_seconds(1'900'000'000);
  return event;
}

}  // namespace

class FakeServer::Tasks final : public v1::Tasks::Service {
 public:
  explicit Tasks(FakeServer& fake) : fake_(fake) {}

  grpc::Status CreateTask(grpc::ServerContext* context, const v1::CreateTaskRequest* request,
                          v1::CreateTaskResponse* response) override {
    return Answer(fake_.create, *context, *request, *response);
  }
  grpc::Status GetTask(grpc::ServerContext* context, const v1::GetTaskRequest* request,
                       v1::GetTaskResponse* response) override {
    return Answer(fake_.get, *context, *request, *response);
  }
  grpc::Status WaitTask(grpc::ServerContext* context, const v1::WaitTaskRequest* request,
                        v1::WaitTaskResponse* response) override {
    return Answer(fake_.wait, *context, *request, *response);
  }
  grpc::Status CancelTask(grpc::ServerContext* context, const v1::CancelTaskRequest* request,
                          v1::CancelTaskResponse* response) override {
    return Answer(fake_.cancel, *context, *request, *response);
  }
  grpc::Status RunTask(grpc::ServerContext* context, const v1::RunTaskRequest* request,
                       grpc::ServerWriter<v1::RunTaskResponse>* writer) override {
    return Answer(fake_.run, *context, *request, *writer);
  }
  grpc::Status WatchTask(grpc::ServerContext* context, const v1::WatchTaskRequest* request,
                         grpc::ServerWriter<v1::WatchTaskResponse>* writer) override {
    return Answer(fake_.watch, *context, *request, *writer);
  }
  grpc::Status BatchCreateTasks(grpc::ServerContext* context, const v1::BatchCreateTasksRequest* request,
                                v1::BatchCreateTasksResponse* response) override {
    return Answer(fake_.batch_create, *context, *request, *response);
  }
  grpc::Status ListTasks(grpc::ServerContext* context, const v1::ListTasksRequest* request,
                         v1::ListTasksResponse* response) override {
    return Answer(fake_.list, *context, *request, *response);
  }
  grpc::Status RetryTask(grpc::ServerContext* context, const v1::RetryTaskRequest* request,
                         v1::RetryTaskResponse* response) override {
    return Answer(fake_.retry, *context, *request, *response);
  }
  grpc::Status DeleteTask(grpc::ServerContext* context, const v1::DeleteTaskRequest* request,
                          v1::DeleteTaskResponse* response) override {
    return Answer(fake_.remove, *context, *request, *response);
  }
  grpc::Status SubmitTasks(grpc::ServerContext* context, SubmitReaderWriter* stream) override {
    return Answer(fake_.submit, *context, *stream);
  }
  grpc::Status WatchQueue(grpc::ServerContext* context, const v1::WatchQueueRequest* request,
                          grpc::ServerWriter<v1::WatchQueueResponse>* writer) override {
    return Answer(fake_.watch_queue, *context, *request, *writer);
  }

 private:
  FakeServer& fake_;
};

class FakeServer::Queues final : public v1::Queues::Service {
 public:
  explicit Queues(FakeServer& fake) : fake_(fake) {}

  grpc::Status GetQueue(grpc::ServerContext* context, const v1::GetQueueRequest* request,
                        v1::GetQueueResponse* response) override {
    return Answer(fake_.get_queue, *context, *request, *response);
  }
  grpc::Status ListQueues(grpc::ServerContext* context, const v1::ListQueuesRequest* request,
                          v1::ListQueuesResponse* response) override {
    return Answer(fake_.list_queues, *context, *request, *response);
  }
  grpc::Status UpdateQueue(grpc::ServerContext* context, const v1::UpdateQueueRequest* request,
                           v1::UpdateQueueResponse* response) override {
    return Answer(fake_.update_queue, *context, *request, *response);
  }
  grpc::Status PauseQueue(grpc::ServerContext* context, const v1::PauseQueueRequest* request,
                          v1::PauseQueueResponse* response) override {
    return Answer(fake_.pause_queue, *context, *request, *response);
  }
  grpc::Status ResumeQueue(grpc::ServerContext* context, const v1::ResumeQueueRequest* request,
                           v1::ResumeQueueResponse* response) override {
    return Answer(fake_.resume_queue, *context, *request, *response);
  }
  grpc::Status PurgeQueue(grpc::ServerContext* context, const v1::PurgeQueueRequest* request,
                          v1::PurgeQueueResponse* response) override {
    return Answer(fake_.purge_queue, *context, *request, *response);
  }
  grpc::Status DeleteQueue(grpc::ServerContext* context, const v1::DeleteQueueRequest* request,
                           v1::DeleteQueueResponse* response) override {
    return Answer(fake_.delete_queue, *context, *request, *response);
  }
  grpc::Status GetQueueStats(grpc::ServerContext* context, const v1::GetQueueStatsRequest* request,
                             v1::GetQueueStatsResponse* response) override {
    return Answer(fake_.queue_stats, *context, *request, *response);
  }

 private:
  FakeServer& fake_;
};

class FakeServer::Scripts final : public v1::Scripts::Service {
 public:
  explicit Scripts(FakeServer& fake) : fake_(fake) {}

  grpc::Status CreateScript(grpc::ServerContext* context, const v1::CreateScriptRequest* request,
                            v1::CreateScriptResponse* response) override {
    return Answer(fake_.create_script, *context, *request, *response);
  }
  grpc::Status GetScript(grpc::ServerContext* context, const v1::GetScriptRequest* request,
                         v1::GetScriptResponse* response) override {
    return Answer(fake_.get_script, *context, *request, *response);
  }
  grpc::Status ListScripts(grpc::ServerContext* context, const v1::ListScriptsRequest* request,
                           v1::ListScriptsResponse* response) override {
    return Answer(fake_.list_scripts, *context, *request, *response);
  }
  grpc::Status DeleteScript(grpc::ServerContext* context, const v1::DeleteScriptRequest* request,
                            v1::DeleteScriptResponse* response) override {
    return Answer(fake_.delete_script, *context, *request, *response);
  }
  grpc::Status ValidateScript(grpc::ServerContext* context, const v1::ValidateScriptRequest* request,
                              v1::ValidateScriptResponse* response) override {
    return Answer(fake_.validate_script, *context, *request, *response);
  }

 private:
  FakeServer& fake_;
};

class FakeServer::Health final : public grpc::health::v1::Health::Service {
 public:
  explicit Health(FakeServer& fake) : fake_(fake) {}

  grpc::Status Check(grpc::ServerContext* context, const grpc::health::v1::HealthCheckRequest* request,
                     grpc::health::v1::HealthCheckResponse* response) override {
    return Answer(fake_.health, *context, *request, *response);
  }

 private:
  FakeServer& fake_;
};

FakeServer::FakeServer(const std::string& address)
    : tasks_(std::make_unique<Tasks>(*this)),
      queues_(std::make_unique<Queues>(*this)),
      scripts_(std::make_unique<Scripts>(*this)),
      health_(std::make_unique<Health>(*this)) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.RegisterService(tasks_.get());
  builder.RegisterService(queues_.get());
  builder.RegisterService(scripts_.get());
  builder.RegisterService(health_.get());
  server_ = builder.BuildAndStart();
  address_ = absl::StrCat("127.0.0.1:", port);
}

FakeServer::~FakeServer() {
  if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
}

grpc::Status BlockUntilCancelled(grpc::ServerContext& context) {
  // The synchronous API has nothing to wait on.
  while (!context.IsCancelled()) absl::SleepFor(absl::Milliseconds(1));
  return grpc::Status::CANCELLED;
}

grpc::Status InvalidField(const std::string& field, const std::string& problem) {
  return ToGrpc(BadField(field, problem), "INVALID_FIELD");
}

grpc::Status SyntaxError(int line, int column, const std::string& message) {
  return ToGrpc(BadField("script.source", absl::StrCat("line ", line, ": ", message)), "LUA_SYNTAX_ERROR",
                {{"line", absl::StrCat(line)}, {"column", absl::StrCat(column)}, {"message", message}});
}

grpc::Status Unavailable(absl::Duration retry_after) {
  google::rpc::Status status;
  status.set_code(grpc::StatusCode::UNAVAILABLE);
  status.set_message("the server is shutting down");
  google::rpc::RetryInfo retry;
  *retry.mutable_retry_delay() =
      google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(retry_after));
  Add(status, retry);
  return ToGrpc(status, "SHUTTING_DOWN");
}

grpc::Status NotFound(const std::string& name) {
  google::rpc::Status status;
  status.set_code(grpc::StatusCode::NOT_FOUND);
  status.set_message(absl::StrCat("there is no task '", name, "'"));
  google::rpc::ResourceInfo resource;
  resource.set_resource_name(name);
  resource.set_description("it was never created, or is no longer kept");
  Add(status, resource);
  return ToGrpc(status, "TASK_NOT_FOUND");
}

grpc::Status OutOfRange(const std::string& number, int64_t oldest, int64_t latest,
                        const std::string& reason) {
  google::rpc::Status status;
  status.set_code(grpc::StatusCode::OUT_OF_RANGE);
  status.set_message("the events asked for are not there");
  return ToGrpc(status, reason,
                {{absl::StrCat("oldest_", number), absl::StrCat(oldest)},
                 {absl::StrCat("latest_", number), absl::StrCat(latest)}});
}

v1::SubmitTasksResponse Acknowledge(const v1::SubmitTasksRequest& frame) {
  v1::SubmitTasksResponse response;
  v1::SubmitTasksAck& ack = *response.add_acks();
  ack.set_client_sequence(frame.client_sequence());
  for (const v1::CreateTaskRequest& request : frame.requests()) {
    ack.add_results()->set_name(absl::StrCat("queues/default/tasks/", request.request_id()));
  }
  return response;
}

v1::TaskEvent StateEvent(int64_t sequence, v1::TaskState state) {
  v1::TaskEvent event = Event(sequence);
  event.mutable_state()->set_state(state);
  return event;
}

v1::TaskEvent ProgressEvent(int64_t sequence, double completed, double total, const std::string& message) {
  v1::TaskEvent event = Event(sequence);
  event.mutable_progress()->set_completed(completed);
  event.mutable_progress()->set_total(total);
  event.mutable_progress()->set_message(message);
  return event;
}

v1::TaskEvent LogEvent(int64_t sequence, const std::string& message) {
  v1::TaskEvent event = Event(sequence);
  event.mutable_log()->set_level(v1::LOG_LEVEL_INFO);
  event.mutable_log()->set_message(message);
  return event;
}

v1::TaskEvent OutputEvent(int64_t sequence, const std::string& data) {
  v1::TaskEvent event = Event(sequence);
  event.mutable_output()->set_data(data);
  return event;
}

v1::TaskEvent ResultEvent(int64_t sequence, const std::string& json) {
  v1::TaskEvent event = StateEvent(sequence, v1::TASK_STATE_SUCCEEDED);
  event.mutable_state()->mutable_result()->set_content_type("application/json");
  event.mutable_state()->mutable_result()->set_data(json);
  return event;
}

v1::TaskEvent ErrorEvent(int64_t sequence, const std::string& message) {
  v1::TaskEvent event = StateEvent(sequence, v1::TASK_STATE_FAILED);
  google::rpc::ErrorInfo info;
  info.set_reason("LUA_ERROR");
  info.set_domain("errand.dev");
  event.mutable_state()->mutable_error()->set_code(grpc::StatusCode::UNKNOWN);
  event.mutable_state()->mutable_error()->set_message(message);
  event.mutable_state()->mutable_error()->add_details()->PackFrom(info);
  return event;
}

v1::Task TaskIn(v1::TaskState state) {
  v1::Task task;
  task.set_name(kName);
  task.set_state(state);
  return task;
}

}  // namespace errand
