#include <grpcpp/create_channel.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "errand/v1/queues.grpc.pb.h"
#include "errand/v1/tasks.grpc.pb.h"
#include "tests/bench/failure.h"
#include "tests/bench/measurement.h"
#include "tests/bench/scenarios.h"
#include "tests/bench/script_runner.h"
#include "tests/bench/server_process.h"

namespace errand::bench {
namespace {

struct Parking {
  double bytes = 0;          // A task, all in.
  double counted_bytes = 0;  // A task, of what the handler counts.
  double moved = 0;          // The part that went on elsewhere.
  double late_p50_ms = 0;
  double late_p99_ms = 0;
  int wrong = 0;
};

Parking ParkScripts(const Options& options, int tasks, double seconds) {
  ScriptRunner runner(options, 2, 0);
  // A window of five seconds, in which they wake one after another.
  const auto script = [&](int i) {
    auto task = ScriptRunner::Task(R"(
      local n, label = tonumber(task.payload), 'task ' .. task.payload
      local t = {n, n + 1}
      task.sleep()" + absl::StrCat(seconds) +
                                   R"( + n % 5000 / 1000)
      return label .. ' ' .. t[1] + t[2])");
    task->mutable_lua()->set_text(std::to_string(i));
    return task;
  };
  absl::Mutex mu;
  size_t parked = 0;
  runner.handler().WatchRoom([&] {
    const size_t now = runner.handler().GetStatistics().parked;
    absl::MutexLock lock(&mu);
    parked = now;
  });
  runner.Run(script(0));
  runner.Run(script(0));  // From now on it has an image.
  int over = 0;
  int wrong = 0;
  std::vector<float> late;
  const int64_t before = ScriptRunner::Bytes();
  for (int i = 0; i < tasks; ++i) {
    const absl::Time wake = absl::Now() + absl::Seconds(seconds) + absl::Milliseconds(i % 5000);
    runner.Start(script(i), [&, i, wake](const handlers::Outcome& outcome) {
      const absl::Time now = absl::Now();
      absl::MutexLock lock(&mu);
      ++over;
      late.push_back(static_cast<float>(absl::ToDoubleMilliseconds(now - wake)));
      wrong += outcome.result.data() == absl::StrCat("task ", i, " ", 2 * i + 1) ? 0 : 1;
    });
    // So that each starts at once, and the time to wake it is known.
    absl::MutexLock lock(&mu);
    const auto near = [&] { return static_cast<int>(parked) >= i - 32 || over > 0; };
    mu.Await(absl::Condition(&near));
  }
  {
    absl::MutexLock lock(&mu);
    const auto all_parked = [&] { return static_cast<int>(parked) == tasks || over > 0; };
    mu.Await(absl::Condition(&all_parked));
    if (over > 0) Fail("not all scripts were parked at once");
  }
  Parking parking;
  parking.bytes = static_cast<double>(ScriptRunner::Bytes() - before) / tasks;
  parking.counted_bytes = static_cast<double>(runner.handler().GetStatistics().kept_bytes) / tasks;
  absl::MutexLock lock(&mu);
  const auto all = [&] { return over == tasks; };
  mu.Await(absl::Condition(&all));
  const auto statistics = runner.handler().GetStatistics();
  parking.moved = static_cast<double>(statistics.moved) / static_cast<double>(statistics.resumed);
  parking.late_p50_ms = Percentile(late, 0.5);
  parking.late_p99_ms = Percentile(late, 0.99);
  parking.wrong = wrong;
  return parking;
}

// Bytes of a whole server's memory a task that sleeps.
double MeasureParkingInServer(const Options& options, int tasks) {
  ServerProcess server(ErranddCommand(options, {"--lua_workers=2"}));
  const auto channel = grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials());
  const auto stub = v1::Tasks::NewStub(channel);
  const auto queues = v1::Queues::NewStub(channel);
  const auto submit = [&](int count) {
    v1::BatchCreateTasksRequest request;
    request.set_parent("queues/default");
    for (int i = 0; i < count; ++i) {
      v1::Task& task = *request.add_requests()->mutable_task();
      task.mutable_lua()->set_source("local t = {task.payload} task.sleep(3000) return t[1]");
      task.mutable_lua()->set_text(std::to_string(i));
      task.mutable_run_timeout()->set_seconds(3600);
    }
    grpc::ClientContext context;
    v1::BatchCreateTasksResponse response;
    const grpc::Status status = stub->BatchCreateTasks(&context, request, &response);
    if (!status.ok()) Fail(status.error_message());
  };
  const auto wait_until_all_run = [&](int64_t running) {
    const absl::Time patience = absl::Now() + absl::Seconds(120);
    for (;;) {
      grpc::ClientContext context;
      v1::GetQueueStatsRequest request;
      request.set_name("queues/default");
      v1::GetQueueStatsResponse response;
      const grpc::Status status = queues->GetQueueStats(&context, request, &response);
      if (!status.ok()) Fail(status.error_message());
      const auto& states = response.stats().tasks_by_state();
      const auto found = states.find("TASK_STATE_RUNNING");
      if (found != states.end() && found->second >= running) return;
      if (absl::Now() > patience) Fail("not all scripts were parked at once");
      absl::SleepFor(absl::Milliseconds(10));
    }
  };
  constexpr int kBatch = 100;
  submit(kBatch);
  wait_until_all_run(kBatch);
  const int64_t before = server.ResidentBytes();
  for (int i = 0; i < tasks; i += kBatch) submit(kBatch);
  wait_until_all_run(kBatch + tasks);
  absl::SleepFor(absl::Milliseconds(200));  // The last ones are being parked.
  return static_cast<double>(server.ResidentBytes() - before) / tasks;
}

}  // namespace

Table MeasureParking(const Options& options) {
  const bool quick = options.duration < absl::Seconds(1);
  Table table;
  table.name = "parking";
  table.title = "Scripts that sleep, all at once";
  table.columns = {{"what", "what"}, {"value", "value", 3}, {"goal", "goal"}};
  table.notes = {"lateness: from the time a script asked to be woken to its end"};
  const auto add = [&](const std::string& what, double value, const std::string& goal) {
    table.rows.push_back({what, value, goal});
  };
  const Parking parking = ParkScripts(options, quick ? 10'000 : 100'000, quick ? 3 : 20);
  add("parked script, bytes of handler and workers", parking.bytes, "at most 1500");
  add("parked task, bytes of a whole server", MeasureParkingInServer(options, quick ? 10'000 : 100'000),
      "at most 1500");
  add("parked script, bytes counted", parking.counted_bytes, "");
  add("parked scripts that moved, part", parking.moved, "about 0.5");
  add("parked scripts with wrong locals", parking.wrong, "0");
  add("lateness p50, ms", parking.late_p50_ms, "");
  add("lateness p99, ms", parking.late_p99_ms, "at most 5");
  return table;
}

}  // namespace errand::bench
