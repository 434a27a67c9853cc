#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "errand/v1/tasks.grpc.pb.h"
#include "tests/bench/failure.h"
#include "tests/bench/load.h"
#include "tests/bench/scenarios.h"

namespace errand::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Long enough for every watcher to be there before the first line.
constexpr double kHeadStartSeconds = 0.5;

// Reads all events of a task, as a client would.
class Watcher {
 public:
  Watcher(const std::shared_ptr<grpc::Channel>& channel, std::string task, absl::BlockingCounter& watching)
      : stub_(v1::Tasks::NewStub(channel)), watching_(watching) {
    request_.set_name(std::move(task));
    thread_ = std::thread([this] { Run(); });
  }

  void Join() { thread_.join(); }

  int64_t lines() const { return lines_; }
  int64_t frames() const { return frames_; }
  Clock::time_point first_line() const { return first_line_; }
  Clock::time_point last_line() const { return last_line_; }

 private:
  void Run() {
    grpc::ClientContext context;
    v1::WatchTaskResponse response;
    const auto reader = stub_->WatchTask(&context, request_);
    bool watching = false;
    while (reader->Read(&response)) {
      if (!watching) watching_.DecrementCount();
      watching = true;
      int64_t lines = 0;
      for (const v1::TaskEvent& event : response.events()) lines += event.has_log() ? 1 : 0;
      if (lines == 0) continue;
      last_line_ = Clock::now();
      if (lines_ == 0) first_line_ = last_line_;
      lines_ += lines;
      ++frames_;
    }
    const grpc::Status status = reader->Finish();
    if (!status.ok()) Fail("WatchTask: " + status.error_message());
  }

  const std::unique_ptr<v1::Tasks::Stub> stub_;
  absl::BlockingCounter& watching_;
  v1::WatchTaskRequest request_;
  int64_t lines_ = 0;
  int64_t frames_ = 0;
  Clock::time_point first_line_;
  Clock::time_point last_line_;
  std::thread thread_;
};

std::string CreateScript(const std::shared_ptr<grpc::Channel>& channel, int lines) {
  v1::CreateTaskRequest request;
  v1::Task& task = *request.mutable_task();
  task.mutable_lua()->set_source(
      absl::StrCat("task.sleep(", kHeadStartSeconds, ") for i = 1, ", lines,
                   " do task.log('line ' .. i .. ' of a script that has much to say') end"));
  task.mutable_limits()->set_output_bytes(64 << 20);
  grpc::ClientContext context;
  v1::CreateTaskResponse response;
  const grpc::Status status = v1::Tasks::NewStub(channel)->CreateTask(&context, request, &response);
  if (!status.ok()) Fail("CreateTask: " + status.error_message());
  return response.task().name();
}

struct WatchMeasurement {
  Measurement figures;
  double lines_per_frame = 0;
};

WatchMeasurement MeasureOnce(const Options& options, int watchers, int lines) {
  // All lines are kept, so that a slow watcher is a slow watcher and not an error.
  const ServerProcess server(ErranddCommand(options, {"--max_task_events=1000000"}));
  const auto channels = Connect(server.address(), ConnectionsFor(watchers));
  const std::string task = CreateScript(channels[0], lines);
  absl::BlockingCounter watching(watchers);
  std::vector<std::unique_ptr<Watcher>> all;
  for (int i = 0; i < watchers; ++i) {
    all.push_back(
        std::make_unique<Watcher>(channels[static_cast<size_t>(i) % channels.size()], task, watching));
  }
  watching.Wait();
  const CpuTime cpu_before = server.Cpu();
  auto first = Clock::time_point::max();
  auto last = Clock::time_point::min();
  double messages = 0;
  double frames = 0;
  for (const auto& watcher : all) {
    watcher->Join();
    if (watcher->lines() != lines) Fail(absl::StrCat("a watcher saw ", watcher->lines(), " of ", lines));
    messages += static_cast<double>(watcher->lines());
    frames += static_cast<double>(watcher->frames());
    first = std::min(first, watcher->first_line());
    last = std::max(last, watcher->last_line());
  }
  const CpuTime cpu = server.Cpu() - cpu_before;
  WatchMeasurement result;
  result.figures.items_per_second = messages / std::chrono::duration<double>(last - first).count();
  result.figures.server_cpu_us = absl::ToDoubleMicroseconds(cpu.server) / messages;
  result.figures.sandbox_cpu_us = absl::ToDoubleMicroseconds(cpu.sandboxes) / messages;
  result.lines_per_frame = messages / frames;
  return result;
}

}  // namespace

Table MeasureWatch(const Options& options) {
  const int lines = options.duration < absl::Seconds(1) ? 5'000 : 20'000;
  Table table;
  table.name = "watch";
  table.title = absl::StrCat("WatchTask: ", lines, " log lines of one script to each of its watchers");
  table.columns = {{"watchers", "watchers"},
                   {"server_cpu_us", "server CPU us/message", 2},
                   {"sandbox_cpu_us", "sandbox CPU us/message", 2},
                   {"messages_per_second", "messages/s"},
                   {"messages_per_frame", "messages/frame", 1}};
  table.notes = {
      "a message is one event as one watcher sees it; what the script and the store cost is in it"};
  for (const int watchers : {1, 8, 32}) {
    Rounds rounds;
    double lines_per_frame = 0;
    for (int round = 0; round < options.rounds; ++round) {
      const WatchMeasurement measured = MeasureOnce(options, watchers, lines);
      rounds.push_back(measured.figures);
      lines_per_frame += measured.lines_per_frame / options.rounds;
    }
    table.rows.push_back({double(watchers), Median(rounds, &Measurement::server_cpu_us),
                          Median(rounds, &Measurement::sandbox_cpu_us),
                          Median(rounds, &Measurement::items_per_second), lines_per_frame});
  }
  return table;
}

}  // namespace errand::bench
