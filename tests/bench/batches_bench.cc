#include <string>
#include <utility>
#include <vector>

#include "errand/v1/tasks.grpc.pb.h"
#include "tests/bench/failure.h"
#include "tests/bench/load.h"
#include "tests/bench/paused_queue.h"
#include "tests/bench/scenarios.h"

namespace errand::bench {
namespace {

constexpr int kPayloadBytes = 200;
constexpr int kCallers = 16;

v1::CreateTaskRequest MakeRequest() {
  v1::CreateTaskRequest request;
  request.mutable_task()->mutable_lua()->set_source("return 1");
  request.mutable_task()->mutable_lua()->set_text(std::string(kPayloadBytes, 'x'));
  return request;
}

using CreateTaskCaller = UnaryCaller<v1::Tasks::Stub, v1::CreateTaskRequest, v1::CreateTaskResponse>;
using BatchCaller = UnaryCaller<v1::Tasks::Stub, v1::BatchCreateTasksRequest, v1::BatchCreateTasksResponse>;

// A stream on which each call is a frame and its acknowledgement.
class SubmitCaller final : public Caller {
 public:
  SubmitCaller(std::unique_ptr<v1::Tasks::Stub> stub, int frame) : stub_(std::move(stub)) {
    for (int i = 0; i < frame; ++i) *request_.add_requests() = MakeRequest();
  }
  ~SubmitCaller() override { context_.TryCancel(); }

  bool OnComplete(bool ok) override {
    if (!ok) Fail("a SubmitTasks stream has ended");
    if (stream_ != nullptr && !opened_) {
      opened_ = true;
      SendFrame();
      return false;
    }
    if (--under_way_ > 0) return false;
    for (const v1::SubmitTasksAck& ack : response_.acks()) {
      for (const v1::SubmitResult& result : ack.results()) {
        if (!result.has_name()) Fail("a submission was refused: " + result.error().message());
      }
    }
    Answered();
    return true;
  }

 protected:
  void StartCall(grpc::CompletionQueue* queue) override {
    if (stream_ != nullptr) {
      SendFrame();
    } else {
      stream_ = stub_->AsyncSubmitTasks(&context_, queue, tag());
    }
  }

 private:
  void SendFrame() {
    request_.set_client_sequence(request_.client_sequence() + 1);
    under_way_ = 2;
    stream_->Write(request_, tag());
    stream_->Read(&response_, tag());
  }

  const std::unique_ptr<v1::Tasks::Stub> stub_;
  grpc::ClientContext context_;
  v1::SubmitTasksRequest request_;
  v1::SubmitTasksResponse response_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::SubmitTasksRequest, v1::SubmitTasksResponse>> stream_;
  bool opened_ = false;
  int under_way_ = 0;
};

// A way to submit tasks, `tasks` of them a call.
struct Way {
  std::string name;
  int tasks;
  MakeCaller make_caller;
};

std::vector<Way> Ways() {
  std::vector<Way> ways;
  ways.push_back({"CreateTask", 1, [](const auto& channel) {
                    return std::make_unique<CreateTaskCaller>(
                        v1::Tasks::NewStub(channel), &v1::Tasks::Stub::AsyncCreateTask, MakeRequest());
                  }});
  ways.push_back({"BatchCreateTasks", 100, [](const auto& channel) {
                    v1::BatchCreateTasksRequest request;
                    for (int i = 0; i < 100; ++i) *request.add_requests() = MakeRequest();
                    return std::make_unique<BatchCaller>(v1::Tasks::NewStub(channel),
                                                         &v1::Tasks::Stub::AsyncBatchCreateTasks, request);
                  }});
  for (const int frame : {1, 10, 100}) {
    ways.push_back({"SubmitTasks", frame, [frame](const auto& channel) {
                      return std::make_unique<SubmitCaller>(v1::Tasks::NewStub(channel), frame);
                    }});
  }
  return ways;
}

}  // namespace

Table MeasureBatches(const Options& options) {
  Table table;
  table.name = "batches";
  table.title = "Ways to submit (Lua, payload of 200 bytes, memory store, 16 callers) against the floor";
  table.columns = {{"call", "call"},
                   {"tasks_a_call", "tasks a call"},
                   {"server_cpu_us", "server CPU us/task", 2},
                   {"floor_cpu_us", "floor's us/task", 2},
                   {"cpu_ratio", "CPU ratio", 2},
                   {"tasks_per_second", "tasks/s"},
                   {"p50_us", "p50 us/call"}};
  table.notes = {"floor: the same messages, and nobody works for the answer",
                 "errandd: its queue is paused, so that nothing runs; the source is known to be good after "
                 "the first time",
                 "goal: at most 3 us of server CPU a task in batches and frames of 100"};
  const std::vector<std::string> errandd = ErranddCommand(
      options, {"--lua_workers=1", "--queue_max_tasks=100000000", "--queue_max_bytes=100000000000"});
  for (const Way& way : Ways()) {
    Rounds floor;
    Rounds ours;
    const Load load{kCallers, options.warm_up, options.duration};
    for (int round = 0; round < options.rounds; ++round) {
      floor.push_back(MeasureLoad(ServerProcess({options.floor}), load, way.make_caller));
      const ServerProcess server(errandd);
      PauseDefaultQueue(server);
      ours.push_back(MeasureLoad(server, load, way.make_caller));
    }
    table.rows.push_back({way.name, double(way.tasks), Median(ours, &Measurement::server_cpu_us) / way.tasks,
                          Median(floor, &Measurement::server_cpu_us) / way.tasks,
                          MedianRatio(ours, floor, &Measurement::server_cpu_us),
                          Median(ours, &Measurement::items_per_second) * way.tasks,
                          Median(ours, &Measurement::p50_us)});
  }
  return table;
}

}  // namespace errand::bench
