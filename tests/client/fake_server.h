#ifndef ERRAND_TESTS_CLIENT_FAKE_SERVER_H_
#define ERRAND_TESTS_CLIENT_FAKE_SERVER_H_

#include <grpcpp/server.h>
#include <grpcpp/server_context.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "errand/v1/queues.grpc.pb.h"
#include "errand/v1/scripts.grpc.pb.h"
#include "errand/v1/tasks.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace errand {

// The Tasks, Queues, Scripts and Health services, each method as the test says, on a port of its own on
// loopback. A method that the test does not set is UNIMPLEMENTED. Methods run on threads of gRPC; set them
// before the first call.
class FakeServer final {
 public:
  template <class Request, class Response>
  using Unary = std::function<grpc::Status(grpc::ServerContext&, const Request&, Response&)>;
  template <class Request, class Response>
  using Stream =
      std::function<grpc::Status(grpc::ServerContext&, const Request&, grpc::ServerWriter<Response>&)>;
  using SubmitReaderWriter = grpc::ServerReaderWriter<v1::SubmitTasksResponse, v1::SubmitTasksRequest>;

  // Starts to serve. `address` other than the default: one that an earlier server had.
  explicit FakeServer(const std::string& address = "127.0.0.1:0");
  ~FakeServer();  // Calls that still run are cancelled.

  const std::string& address() const { return address_; }

  Unary<v1::CreateTaskRequest, v1::CreateTaskResponse> create;
  Unary<v1::BatchCreateTasksRequest, v1::BatchCreateTasksResponse> batch_create;
  std::function<grpc::Status(grpc::ServerContext&, SubmitReaderWriter&)> submit;
  Unary<v1::GetTaskRequest, v1::GetTaskResponse> get;
  Unary<v1::ListTasksRequest, v1::ListTasksResponse> list;
  Unary<v1::WaitTaskRequest, v1::WaitTaskResponse> wait;
  Unary<v1::CancelTaskRequest, v1::CancelTaskResponse> cancel;
  Unary<v1::RetryTaskRequest, v1::RetryTaskResponse> retry;
  Unary<v1::DeleteTaskRequest, v1::DeleteTaskResponse> remove;
  Stream<v1::RunTaskRequest, v1::RunTaskResponse> run;
  Stream<v1::WatchTaskRequest, v1::WatchTaskResponse> watch;
  Stream<v1::WatchQueueRequest, v1::WatchQueueResponse> watch_queue;
  Unary<v1::GetQueueRequest, v1::GetQueueResponse> get_queue;
  Unary<v1::ListQueuesRequest, v1::ListQueuesResponse> list_queues;
  Unary<v1::UpdateQueueRequest, v1::UpdateQueueResponse> update_queue;
  Unary<v1::PauseQueueRequest, v1::PauseQueueResponse> pause_queue;
  Unary<v1::ResumeQueueRequest, v1::ResumeQueueResponse> resume_queue;
  Unary<v1::PurgeQueueRequest, v1::PurgeQueueResponse> purge_queue;
  Unary<v1::DeleteQueueRequest, v1::DeleteQueueResponse> delete_queue;
  Unary<v1::GetQueueStatsRequest, v1::GetQueueStatsResponse> queue_stats;
  Unary<v1::CreateScriptRequest, v1::CreateScriptResponse> create_script;
  Unary<v1::GetScriptRequest, v1::GetScriptResponse> get_script;
  Unary<v1::ListScriptsRequest, v1::ListScriptsResponse> list_scripts;
  Unary<v1::DeleteScriptRequest, v1::DeleteScriptResponse> delete_script;
  Unary<v1::ValidateScriptRequest, v1::ValidateScriptResponse> validate_script;
  Unary<grpc::health::v1::HealthCheckRequest, grpc::health::v1::HealthCheckResponse> health;

 private:
  class Tasks;
  class Queues;
  class Scripts;
  class Health;

  const std::unique_ptr<Tasks> tasks_;
  const std::unique_ptr<Queues> queues_;
  const std::unique_ptr<Scripts> scripts_;
  const std::unique_ptr<Health> health_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

// Blocks a method until its caller has gone.
grpc::Status BlockUntilCancelled(grpc::ServerContext& context);

// An error with a detail, as the server sends it.
grpc::Status InvalidField(const std::string& field, const std::string& problem);
// LUA_SYNTAX_ERROR of `script.source`.
grpc::Status SyntaxError(int line, int column, const std::string& message);
grpc::Status Unavailable(absl::Duration retry_after = absl::ZeroDuration());
grpc::Status NotFound(const std::string& name);
// OUT_OF_RANGE: events from `oldest` to `latest` are kept. `number` is "sequence" or "position".
grpc::Status OutOfRange(const std::string& number, int64_t oldest, int64_t latest,
                        const std::string& reason = "EVENTS_OUT_OF_RANGE");

inline constexpr char kName[] = "queues/default/tasks/t";

// Events of kName, all of one moment.
v1::TaskEvent StateEvent(int64_t sequence, v1::TaskState state);
v1::TaskEvent ProgressEvent(int64_t sequence, double completed, double total, const std::string& message);
v1::TaskEvent LogEvent(int64_t sequence, const std::string& message);
v1::TaskEvent OutputEvent(int64_t sequence, const std::string& data);
// SUCCEEDED with a result of type application/json.
v1::TaskEvent ResultEvent(int64_t sequence, const std::string& json);
// FAILED with LUA_ERROR.
v1::TaskEvent ErrorEvent(int64_t sequence, const std::string& message);

// kName in `state`.
v1::Task TaskIn(v1::TaskState state);

// The acknowledgement of `frame`: each task is created with its request_id as its id.
v1::SubmitTasksResponse Acknowledge(const v1::SubmitTasksRequest& frame);

template <class Response>
void Send(grpc::ServerWriter<Response>& writer, std::initializer_list<v1::TaskEvent> events) {
  Response response;
  for (const v1::TaskEvent& event : events) *response.add_events() = event;
  writer.Write(response);
}

}  // namespace errand

#endif  // ERRAND_TESTS_CLIENT_FAKE_SERVER_H_
