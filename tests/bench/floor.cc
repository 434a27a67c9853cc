// The floor: what an answer costs that nobody worked for. A completion-queue server without tasks, store or
// coroutines, shaped like errandd otherwise: one queue with one thread a core, 16 armed calls a method and
// queue, the same channel arguments, the same messages. What errandd costs more is what we did.
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "errand/v1/tasks.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace errand::bench {
namespace {

namespace health = grpc::health::v1;

constexpr int kArmedCalls = 16;
constexpr int kMaxMessageBytes = 16 << 20;

// A call as a hand-written state machine: armed, then answering, then gone.
class FloorCall {
 public:
  virtual ~FloorCall() = default;
  virtual void OnComplete(bool ok) = 0;
};

// What a task looks like in the answer to CreateTask, field for field as errandd sends it.
v1::CreateTaskResponse MakeAnswer() {
  v1::CreateTaskResponse response;
  v1::Task& task = *response.mutable_task();
  task.set_uid("6f1d3c52-87a4-4e0b-9c1e-5b7f20d4a913");
  task.set_name("queues/default/tasks/" + task.uid());
  task.set_state(v1::TASK_STATE_QUEUED);
  task.mutable_lua();
  task.mutable_run_timeout()->set_seconds(30);
  task.mutable_limits()->set_memory_bytes(64 << 20);
  task.mutable_limits()->set_output_bytes(1 << 20);
  task.set_durability(v1::DURABILITY_MEMORY);
  task.set_etag("10000-1");
  return response;
}

class CreateTaskCall final : public FloorCall {
 public:
  CreateTaskCall(v1::Tasks::AsyncService& service, grpc::ServerCompletionQueue& queue)
      : service_(service), queue_(queue), writer_(&context_) {
    service_.RequestCreateTask(&context_, &request_, &writer_, &queue_, &queue_,
                               static_cast<FloorCall*>(this));
  }

  void OnComplete(bool ok) override {
    if (!ok || answering_) {
      delete this;
      return;
    }
    new CreateTaskCall(service_, queue_);
    static const v1::CreateTaskResponse answer = MakeAnswer();
    answering_ = true;
    response_ = answer;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now);
    auto& create_time = *response_.mutable_task()->mutable_create_time();
    create_time.set_seconds(seconds.count());
    create_time.set_nanos(
        static_cast<int32_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now - seconds).count()));
    writer_.Finish(response_, grpc::Status::OK, static_cast<FloorCall*>(this));
  }

 private:
  v1::Tasks::AsyncService& service_;
  grpc::ServerCompletionQueue& queue_;
  grpc::ServerContext context_;
  v1::CreateTaskRequest request_;
  v1::CreateTaskResponse response_;
  grpc::ServerAsyncResponseWriter<v1::CreateTaskResponse> writer_;
  bool answering_ = false;
};

// As many answers as there are requests.
class BatchCall final : public FloorCall {
 public:
  BatchCall(v1::Tasks::AsyncService& service, grpc::ServerCompletionQueue& queue)
      : service_(service), queue_(queue), writer_(&context_) {
    service_.RequestBatchCreateTasks(&context_, &request_, &writer_, &queue_, &queue_,
                                     static_cast<FloorCall*>(this));
  }

  void OnComplete(bool ok) override {
    if (!ok || answering_) {
      delete this;
      return;
    }
    new BatchCall(service_, queue_);
    static const v1::CreateTaskResponse answer = MakeAnswer();
    answering_ = true;
    for (int i = 0; i < request_.requests_size(); ++i) *response_.add_tasks() = answer.task();
    writer_.Finish(response_, grpc::Status::OK, static_cast<FloorCall*>(this));
  }

 private:
  v1::Tasks::AsyncService& service_;
  grpc::ServerCompletionQueue& queue_;
  grpc::ServerContext context_;
  v1::BatchCreateTasksRequest request_;
  v1::BatchCreateTasksResponse response_;
  grpc::ServerAsyncResponseWriter<v1::BatchCreateTasksResponse> writer_;
  bool answering_ = false;
};

// Reads a frame, acknowledges it, and so on.
class SubmitCall final : public FloorCall {
 public:
  SubmitCall(v1::Tasks::AsyncService& service, grpc::ServerCompletionQueue& queue)
      : service_(service), queue_(queue), stream_(&context_) {
    service_.RequestSubmitTasks(&context_, &stream_, &queue_, &queue_, static_cast<FloorCall*>(this));
  }

  void OnComplete(bool ok) override {
    switch (std::exchange(step_, step_ == Step::kReading ? Step::kWriting : Step::kReading)) {
      case Step::kAccepting:
        if (!ok) break;
        new SubmitCall(service_, queue_);
        return stream_.Read(&request_, static_cast<FloorCall*>(this));
      case Step::kReading:
        if (!ok) break;
        Acknowledge();
        return stream_.Write(response_, static_cast<FloorCall*>(this));
      case Step::kWriting:
        if (!ok) break;
        return stream_.Read(&request_, static_cast<FloorCall*>(this));
    }
    delete this;
  }

 private:
  enum class Step { kAccepting, kReading, kWriting };

  void Acknowledge() {
    static const v1::CreateTaskResponse answer = MakeAnswer();
    response_.Clear();
    v1::SubmitTasksAck& ack = *response_.add_acks();
    ack.set_client_sequence(request_.client_sequence());
    for (int i = 0; i < request_.requests_size(); ++i) ack.add_results()->set_name(answer.task().name());
  }

  v1::Tasks::AsyncService& service_;
  grpc::ServerCompletionQueue& queue_;
  grpc::ServerContext context_;
  v1::SubmitTasksRequest request_;
  v1::SubmitTasksResponse response_;
  grpc::ServerAsyncReaderWriter<v1::SubmitTasksResponse, v1::SubmitTasksRequest> stream_;
  Step step_ = Step::kAccepting;
};

// The empty unary call.
class CheckCall final : public FloorCall {
 public:
  CheckCall(health::Health::AsyncService& service, grpc::ServerCompletionQueue& queue)
      : service_(service), queue_(queue), writer_(&context_) {
    service_.RequestCheck(&context_, &request_, &writer_, &queue_, &queue_, static_cast<FloorCall*>(this));
  }

  void OnComplete(bool ok) override {
    if (!ok || answering_) {
      delete this;
      return;
    }
    new CheckCall(service_, queue_);
    answering_ = true;
    response_.set_status(health::HealthCheckResponse::SERVING);
    writer_.Finish(response_, grpc::Status::OK, static_cast<FloorCall*>(this));
  }

 private:
  health::Health::AsyncService& service_;
  grpc::ServerCompletionQueue& queue_;
  grpc::ServerContext context_;
  health::HealthCheckRequest request_;
  health::HealthCheckResponse response_;
  grpc::ServerAsyncResponseWriter<health::HealthCheckResponse> writer_;
  bool answering_ = false;
};

void Serve(grpc::ServerCompletionQueue& queue) {
  void* tag;
  bool ok;
  while (queue.Next(&tag, &ok)) static_cast<FloorCall*>(tag)->OnComplete(ok);
}

// Serves until it is killed: there is nothing to keep.
int Run() {
  v1::Tasks::AsyncService tasks;
  health::Health::AsyncService checks;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.RegisterService(&tasks);
  builder.RegisterService(&checks);
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
  for (unsigned i = 0; i < cores; ++i) queues.push_back(builder.AddCompletionQueue());
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    std::fputs("errand_bench_floor: cannot listen on 127.0.0.1\n", stderr);
    return 1;
  }
  // Each call owns itself.
  for (int i = 0; i < kArmedCalls; ++i) {
    for (const auto& queue : queues) {
      new CreateTaskCall(tasks, *queue);
      new BatchCall(tasks, *queue);
      new SubmitCall(tasks, *queue);
      new CheckCall(checks, *queue);
    }
  }
  std::vector<std::thread> threads;
  for (const auto& queue : queues) threads.emplace_back([&queue] { Serve(*queue); });
  std::printf("listening on 127.0.0.1:%d\n", port);
  std::fflush(stdout);
  for (std::thread& thread : threads) thread.join();
  return 0;
}

}  // namespace
}  // namespace errand::bench

int main() {
  // As errandd does: Debian builds Abseil with it, at a tenth of the cost of a call.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return errand::bench::Run();
}
