#include <memory>
#include <optional>
#include <string>

#include "errand/v1/tasks.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/bench/load.h"
#include "tests/bench/scenarios.h"

namespace errand::bench {
namespace {

namespace health = grpc::health::v1;

using CheckCaller =
    UnaryCaller<health::Health::Stub, health::HealthCheckRequest, health::HealthCheckResponse>;

// Runs a task; answered when the event of success has come.
class RunTaskCaller final : public Caller {
 public:
  RunTaskCaller(std::unique_ptr<v1::Tasks::Stub> stub, v1::RunTaskRequest request)
      : stub_(std::move(stub)), request_(std::move(request)) {}

  bool OnComplete(bool ok) override {
    if (finishing_) {
      if (status_.ok() && !succeeded_) status_ = {grpc::StatusCode::UNKNOWN, "the task did not succeed"};
      return true;
    }
    // The first completion is that of the call's start; there is no frame yet.
    for (const v1::TaskEvent& event : response_.events()) {
      if (event.state().state() != v1::TASK_STATE_SUCCEEDED) continue;
      succeeded_ = true;
      Answered();
    }
    response_.Clear();
    if (ok) {
      reader_->Read(&response_, tag());
    } else {
      finishing_ = true;
      reader_->Finish(&status_, tag());
    }
    return false;
  }

 protected:
  void StartCall(grpc::CompletionQueue* queue) override {
    reader_ = nullptr;  // It lives in memory that belongs to the context's call.
    context_.emplace();
    finishing_ = false;
    succeeded_ = false;
    reader_ = stub_->AsyncRunTask(&*context_, request_, queue, tag());
  }

 private:
  const std::unique_ptr<v1::Tasks::Stub> stub_;
  const v1::RunTaskRequest request_;
  v1::RunTaskResponse response_;
  std::optional<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientAsyncReader<v1::RunTaskResponse>> reader_;
  bool finishing_ = false;
  bool succeeded_ = false;
};

}  // namespace

Table MeasureRunTask(const Options& options) {
  Table table;
  table.name = "run_task";
  table.title = "RunTask of `return 1`, from the call to the terminal event, against an empty unary call";
  table.columns = {{"callers", "callers"},
                   {"call", "call"},
                   {"p50_ratio", "p50 ratio", 2},
                   {"p99_ratio", "p99 ratio", 2},
                   {"cpu_ratio", "CPU ratio", 2},
                   {"p50_us", "p50 us"},
                   {"p99_us", "p99 us"},
                   {"server_cpu_us", "server CPU us/call", 1},
                   {"sandbox_cpu_us", "sandbox CPU us/call", 1},
                   {"calls_per_second", "calls/s"}};
  table.notes = {
      "empty unary call: grpc.health.v1.Health/Check on the floor",
      "RunTask: errandd with its default of Lua workers; the next call starts when the stream ended",
      "goal: p50 ratio at most 3 with 1 caller"};
  v1::RunTaskRequest run;
  run.mutable_create()->mutable_task()->mutable_lua()->set_source("return 1");
  for (const int callers : {1, 16}) {
    const Load load{callers, options.warm_up, options.duration};
    Rounds empty;
    Rounds tasks;
    for (int round = 0; round < options.rounds; ++round) {
      {
        const ServerProcess floor({options.floor});
        empty.push_back(MeasureLoad(floor, load, [](const auto& channel) {
          return std::make_unique<CheckCaller>(health::Health::NewStub(channel),
                                               &health::Health::Stub::AsyncCheck,
                                               health::HealthCheckRequest());
        }));
      }
      const ServerProcess server(ErranddCommand(options, {}));
      tasks.push_back(MeasureLoad(server, load, [&run](const auto& channel) {
        return std::make_unique<RunTaskCaller>(v1::Tasks::NewStub(channel), run);
      }));
    }
    const auto add_row = [&](const std::string& name, const Rounds& rounds) {
      table.rows.push_back(
          {double(callers), name, MedianRatio(rounds, empty, &Measurement::p50_us),
           MedianRatio(rounds, empty, &Measurement::p99_us),
           MedianRatio(rounds, empty, &Measurement::server_cpu_us), Median(rounds, &Measurement::p50_us),
           Median(rounds, &Measurement::p99_us), Median(rounds, &Measurement::server_cpu_us),
           Median(rounds, &Measurement::sandbox_cpu_us), Median(rounds, &Measurement::items_per_second)});
    };
    add_row("empty unary call", empty);
    add_row("RunTask", tasks);
  }
  return table;
}

}  // namespace errand::bench
