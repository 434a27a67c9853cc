#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "errand/v1/tasks.grpc.pb.h"
#include "tests/bench/failure.h"
#include "tests/bench/load.h"
#include "tests/bench/paused_queue.h"
#include "tests/bench/scenarios.h"

namespace errand::bench {
namespace {

constexpr int kStreams = 20'000;
constexpr int kConnections = 32;  // A server lets each have 1,000 calls open.
constexpr int kCallers = 16;

using GetTaskCaller = UnaryCaller<v1::Tasks::Stub, v1::GetTaskRequest, v1::GetTaskResponse>;

// One WatchTask call that has read what there is and waits for more.
struct Stream {
  grpc::ClientContext context;
  v1::WatchTaskResponse response;
  std::unique_ptr<grpc::ClientAsyncReader<v1::WatchTaskResponse>> reader;
  bool opened = false;
};

// Opens streams on a task that waits, and keeps them until it is destroyed.
class IdleStreams {
 public:
  IdleStreams(const std::string& address, const std::string& task, int count)
      : channels_(Connect(address, kConnections)) {
    v1::WatchTaskRequest request;
    request.set_name(task);
    for (const auto& channel : channels_) stubs_.push_back(v1::Tasks::NewStub(channel));
    // A few at a time: it is the standing streams that are measured.
    constexpr int kAtATime = 200;
    for (int begun = 0; begun < count;) {
      const int end = std::min(count, begun + kAtATime);
      int waiting = end - begun;
      for (; begun < end; ++begun) {
        streams_.push_back(std::make_unique<Stream>());
        Stream& stream = *streams_.back();
        stream.reader = stubs_[static_cast<size_t>(begun) % stubs_.size()]->AsyncWatchTask(
            &stream.context, request, &queue_, &stream);
      }
      // Each is there once its first frame has come.
      while (waiting > 0) waiting -= OnComplete() ? 1 : 0;
    }
  }

  ~IdleStreams() {
    for (const auto& stream : streams_) stream->context.TryCancel();
    for (size_t left = streams_.size(); left > 0; --left) {
      void* tag;
      bool ok;
      queue_.Next(&tag, &ok);
    }
    queue_.Shutdown();
    void* tag;
    bool ok;
    while (queue_.Next(&tag, &ok)) {
    }
  }

 private:
  // True when a stream has its first frame.
  bool OnComplete() {
    void* tag;
    bool ok;
    if (!queue_.Next(&tag, &ok) || !ok) Fail("a WatchTask stream has ended");
    auto* stream = static_cast<Stream*>(tag);
    stream->reader->Read(&stream->response, stream);
    return std::exchange(stream->opened, true);
  }

  std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::vector<std::unique_ptr<v1::Tasks::Stub>> stubs_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Stream>> streams_;
};

std::string CreateWaitingTask(const std::string& address) {
  v1::CreateTaskRequest request;
  request.mutable_task()->mutable_lua()->set_source("return 1");
  grpc::ClientContext context;
  v1::CreateTaskResponse response;
  const grpc::Status status =
      v1::Tasks::NewStub(Connect(address, 1)[0])->CreateTask(&context, request, &response);
  if (!status.ok()) Fail("CreateTask: " + status.error_message());
  return response.task().name();
}

}  // namespace

Table MeasureIdleStreams(const Options& options) {
  Table table;
  table.name = "idle_streams";
  table.title = "GetTask beside WatchTask streams on which nothing happens (16 connections)";
  table.columns = {{"streams", "streams"},        {"bytes", "server bytes a stream"},
                   {"p99_ratio", "p99 ratio", 2}, {"p50_ratio", "p50 ratio", 2},
                   {"cpu_ratio", "CPU ratio", 2}, {"p50_us", "p50 us"},
                   {"p99_us", "p99 us"},          {"server_cpu_us", "server CPU us/call", 1}};
  table.notes = {"bytes: of the server's resident memory, gRPC's share included; 16 callers of GetTask",
                 "goal: p99 ratio at most 1.5"};
  const ServerProcess server(ErranddCommand(options, {"--lua_workers=1"}));
  PauseDefaultQueue(server);
  const std::string task = CreateWaitingTask(server.address());
  v1::GetTaskRequest request;
  request.set_name(task);
  request.set_view(v1::TASK_VIEW_BASIC);
  const auto measure = [&] {
    return MeasureLoad(server, {kCallers, options.warm_up, options.duration}, [&](const auto& channel) {
      return std::make_unique<GetTaskCaller>(v1::Tasks::NewStub(channel), &v1::Tasks::Stub::AsyncGetTask,
                                             request);
    });
  };
  Rounds without;
  Rounds with;
  double bytes = 0;
  for (int round = 0; round < options.rounds; ++round) {
    without.push_back(measure());
    const int64_t before = server.ResidentBytes();
    const IdleStreams streams(server.address(), task, kStreams);
    // Later rounds find the memory of the first one.
    if (round == 0) bytes = static_cast<double>(server.ResidentBytes() - before) / kStreams;
    with.push_back(measure());
  }
  const auto add = [&](double streams, double bytes_a_stream, const Rounds& rounds) {
    table.rows.push_back({streams, bytes_a_stream, MedianRatio(rounds, without, &Measurement::p99_us),
                          MedianRatio(rounds, without, &Measurement::p50_us),
                          MedianRatio(rounds, without, &Measurement::server_cpu_us),
                          Median(rounds, &Measurement::p50_us), Median(rounds, &Measurement::p99_us),
                          Median(rounds, &Measurement::server_cpu_us)});
  };
  add(0, 0, without);
  add(kStreams, bytes, with);
  return table;
}

}  // namespace errand::bench
