// The Lua handler by itself, in this process, with real sandbox processes.
#include <grpcpp/create_channel.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <lua.hpp>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "errand/v1/queues.grpc.pb.h"
#include "errand/v1/tasks.grpc.pb.h"
#include "server/handlers/lua/lua_handler.h"
#include "server/handlers/lua/zygote.h"
#include "server/io/loop.h"
#include "server/task/limits.h"
#include "tests/bench/failure.h"
#include "tests/bench/measurement.h"
#include "tests/bench/scenarios.h"
#include "tests/bench/server_process.h"

namespace errand::bench {
namespace {

using handlers::Attempt;
using handlers::AttemptId;
using handlers::AttemptObserver;
using handlers::LuaHandler;
using handlers::Outcome;

constexpr char kTrivial[] = "return 1";
constexpr char kHog[] = "local x = 0 while true do x = x + 1 end";

absl::Duration CpuOf(clockid_t clock) {
  timespec used;
  if (clock_gettime(clock, &used) != 0) return absl::ZeroDuration();
  return absl::DurationFromTimespec(used);
}

// This process's children that run scripts.
std::vector<pid_t> Workers() {
  std::vector<pid_t> pids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "stat");
    std::string stat{std::istreambuf_iterator<char>(file), {}};
    const size_t end = stat.rfind(") ");
    if (end == std::string::npos || stat.find("(errand-worker") == std::string::npos) continue;
    std::istringstream rest(stat.substr(end + 2));
    std::string state;
    pid_t parent = 0;
    rest >> state >> parent;
    if (parent == getpid()) pids.push_back(std::stoi(name));
  }
  return pids;
}

absl::Duration CpuOfWorkers() {
  absl::Duration sum;
  for (const pid_t pid : Workers()) {
    clockid_t clock;
    if (clock_getcpuclockid(pid, &clock) == 0) sum += CpuOf(clock);
  }
  return sum;
}

// Of memory that is not shared with another process, or the process's part of it.
int64_t ProportionalBytes(const std::string& process) {
  std::ifstream file("/proc/" + process + "/smaps_rollup");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("Pss:", 0) != 0) continue;
    return std::stoll(line.substr(4)) * 1024;
  }
  return 0;
}

int64_t BytesOfAll() {
  int64_t sum = ProportionalBytes("self");
  for (const pid_t pid : Workers()) sum += ProportionalBytes(std::to_string(pid));
  return sum;
}

// Starts scripts and counts those that are over.
class Runner {
 public:
  using Done = absl::AnyInvocable<void(const Outcome&)>;

  explicit Runner(const Options& options, int workers = 2, int spares = 1) {
    auto zygote = handlers::Zygote::Start(options.sandbox, &loop_);
    if (!zygote.ok()) Fail(std::string(zygote.status().message()));
    zygote_ = *std::move(zygote);
    auto handler = LuaHandler::Create({.workers = workers, .spares = spares}, zygote_.get());
    if (!handler.ok()) Fail(std::string(handler.status().message()));
    handler_ = *std::move(handler);
  }

  LuaHandler& handler() { return *handler_; }

  AttemptId Start(const std::shared_ptr<const v1::Task>& task, Done done) {
    Attempt attempt;
    attempt.id = ++last_id_;
    attempt.number = 1;
    attempt.task = task;
    const AttemptId id = attempt.id;
    handler_->Start(std::move(attempt), std::make_unique<Observer>(std::move(done)));
    return id;
  }

  Outcome Run(const std::shared_ptr<const v1::Task>& task) {
    absl::Notification over;
    Outcome outcome;
    Start(task, [&](const Outcome& ended) {
      outcome = ended;
      over.Notify();
    });
    over.WaitForNotification();
    return outcome;
  }

  static std::shared_ptr<v1::Task> Task(const std::string& source) {
    auto task = std::make_shared<v1::Task>();
    task->set_name("queues/default/tasks/bench");
    task->mutable_lua()->set_source(source);
    task->mutable_run_timeout()->set_seconds(3600);
    task->mutable_limits()->set_memory_bytes(task::kDefaultMemoryBytes);
    task->mutable_limits()->set_output_bytes(task::kDefaultOutputBytes);
    return task;
  }

 private:
  class Observer final : public AttemptObserver {
   public:
    explicit Observer(Done done) : done_(std::move(done)) {}
    void OnEvent(v1::TaskEvent) override {}
    void OnDone(Outcome outcome) override { done_(outcome); }

   private:
    Done done_;
  };

  io::Loop loop_;
  std::unique_ptr<handlers::Zygote> zygote_;
  std::unique_ptr<LuaHandler> handler_;
  AttemptId last_id_ = 0;
};

// Microseconds of CPU a trivial task, of this process and of the workers, as many at a time as there are
// slots.
double MeasureTrivial(Runner& runner, int tasks) {
  const auto task = Runner::Task(kTrivial);
  absl::Mutex mu;
  int running = 0;
  const absl::Duration before = CpuOf(CLOCK_PROCESS_CPUTIME_ID) + CpuOfWorkers();
  for (int i = 0; i < tasks; ++i) {
    {
      absl::MutexLock lock(&mu);
      const auto free = [&] { return running < runner.handler().slots(); };
      mu.Await(absl::Condition(&free));
      ++running;
    }
    runner.Start(task, [&](const Outcome& outcome) {
      if (!outcome.status.ok()) Fail(std::string(outcome.status.message()));
      absl::MutexLock lock(&mu);
      --running;
    });
  }
  absl::MutexLock lock(&mu);
  const auto over = [&] { return running == 0; };
  mu.Await(absl::Condition(&over));
  return absl::ToDoubleMicroseconds(CpuOf(CLOCK_PROCESS_CPUTIME_ID) + CpuOfWorkers() - before) / tasks;
}

// The same script in this process: compiled once, called in one state.
double MeasureTrivialHere(int tasks) {
  lua_State* const state = luaL_newstate();
  luaL_openlibs(state);
  luaL_loadstring(state, kTrivial);
  const absl::Duration before = CpuOf(CLOCK_PROCESS_CPUTIME_ID);
  for (int i = 0; i < tasks; ++i) {
    lua_pushvalue(state, 1);
    lua_pcall(state, 0, 1, 0);
    lua_pop(state, 1);
  }
  const absl::Duration used = CpuOf(CLOCK_PROCESS_CPUTIME_ID) - before;
  lua_close(state);
  return absl::ToDoubleMicroseconds(used) / tasks;
}

constexpr char kLoop[] =
    "local x, t = 0, {} for i = 1, 30000000 do t[i % 64] = i; x = x + i % 7 end return x";

double LoopHere() {
  lua_State* const state = luaL_newstate();
  luaL_openlibs(state);
  luaL_loadstring(state, kLoop);
  const absl::Duration before = CpuOf(CLOCK_THREAD_CPUTIME_ID);
  lua_pcall(state, 0, 1, 0);
  const absl::Duration used = CpuOf(CLOCK_THREAD_CPUTIME_ID) - before;
  lua_close(state);
  return absl::ToDoubleSeconds(used);
}

double LoopInSandbox(Runner& runner) {
  const Outcome outcome = runner.Run(Runner::Task(kLoop));
  if (!outcome.status.ok()) Fail(std::string(outcome.status.message()));
  return static_cast<double>(outcome.usage.cpu_time().seconds()) +
         static_cast<double>(outcome.usage.cpu_time().nanos()) / 1e9;
}

struct Parking {
  double bytes = 0;       // A task, all in.
  double difference = 0;  // A task, of what the handler counts.
  double moved = 0;       // The part that went on elsewhere.
  double late_p50_ms = 0;
  double late_p99_ms = 0;
  int wrong = 0;
};

Parking MeasureParking(const Options& options, int tasks, double seconds) {
  Runner runner(options, 2, 0);
  // A window of five seconds, in which they wake one after another.
  const auto script = [&](int i) {
    auto task = Runner::Task(R"(
      local n, label = tonumber(task.payload), 'task ' .. task.payload
      local t = {n, n + 1}
      task.sleep()" + absl::StrCat(seconds) +
                             R"( + n % 5000 / 1000)
      return label .. ' ' .. t[1] + t[2])");
    task->mutable_lua()->set_text(std::to_string(i));
    return task;
  };
  runner.Run(script(0));
  runner.Run(script(0));  // From now on it has an image.
  absl::Mutex mu;
  int over = 0;
  int wrong = 0;
  std::vector<float> late;
  const int64_t before = BytesOfAll();
  for (int i = 0; i < tasks; ++i) {
    const absl::Time wake = absl::Now() + absl::Seconds(seconds) + absl::Milliseconds(i % 5000);
    runner.Start(script(i), [&, i, wake](const Outcome& outcome) {
      const absl::Time now = absl::Now();
      absl::MutexLock lock(&mu);
      ++over;
      late.push_back(static_cast<float>(absl::ToDoubleMilliseconds(now - wake)));
      wrong += outcome.result.data() == absl::StrCat("task ", i, " ", 2 * i + 1) ? 0 : 1;
    });
    // So that each starts at once, and the time to wake it is known.
    while (i - static_cast<int>(runner.handler().GetStatistics().parked) > 32) {
      absl::SleepFor(absl::Microseconds(50));
    }
  }
  const absl::Time patience = absl::Now() + absl::Seconds(30);
  while (runner.handler().GetStatistics().parked < static_cast<size_t>(tasks)) {
    if (absl::Now() > patience) Fail("not all scripts were parked at once");
    absl::SleepFor(absl::Milliseconds(10));
  }
  Parking parking;
  parking.bytes = static_cast<double>(BytesOfAll() - before) / tasks;
  parking.difference = static_cast<double>(runner.handler().GetStatistics().parked_bytes) / tasks;
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

struct Percentiles {
  double p50_ms = 0;
  double p99_ms = 0;
};

Percentiles Of(std::vector<float>& values) { return {Percentile(values, 0.5), Percentile(values, 0.99)}; }

// From Stop of an attempt that will not end by itself to the end of the next one, in the only worker.
Percentiles MeasureStop(const Options& options, const std::string& source, bool frozen, int times) {
  Runner runner(options, 1, 0);
  const auto runaway = Runner::Task("task.progress(1) " + source);
  const auto trivial = Runner::Task(kTrivial);
  std::mt19937 random(1);
  std::vector<float> values;
  for (int i = 0; i < times; ++i) {
    absl::Notification stopped;
    const AttemptId id = runner.Start(runaway, [&](const Outcome&) { stopped.Notify(); });
    absl::SleepFor(absl::Microseconds(15'000 + random() % 10'000));
    if (frozen) {
      for (const pid_t pid : Workers()) kill(pid, SIGSTOP);
    }
    const absl::Time start = absl::Now();
    runner.handler().Stop(id);
    runner.Run(trivial);
    values.push_back(static_cast<float>(absl::ToDoubleMilliseconds(absl::Now() - start)));
    stopped.WaitForNotification();
  }
  return Of(values);
}

struct Sharing {
  Percentiles trivial;
  double fairness = 0;  // The least CPU time of a hog over the most.
};

// Trivial scripts beside as many hogs as there are workers, and more.
Sharing MeasureSharing(const Options& options, int hogs, absl::Duration duration) {
  Runner runner(options, 2, 1);
  const auto trivial = Runner::Task(kTrivial);
  runner.Run(trivial);
  runner.Run(trivial);
  absl::Mutex mu;
  int over = 0;
  std::vector<double> used;
  std::vector<AttemptId> ids;
  for (int i = 0; i < hogs; ++i) {
    ids.push_back(runner.Start(Runner::Task(kHog), [&](const Outcome& outcome) {
      absl::MutexLock lock(&mu);
      ++over;
      used.push_back(static_cast<double>(outcome.usage.cpu_time().seconds()) +
                     static_cast<double>(outcome.usage.cpu_time().nanos()) / 1e9);
    }));
  }
  std::mt19937 random(1);
  std::vector<float> values;
  const absl::Time end = absl::Now() + duration;
  while (absl::Now() < end) {
    absl::SleepFor(absl::Microseconds(1'000 + random() % 40'000));
    const absl::Time start = absl::Now();
    runner.Run(trivial);
    values.push_back(static_cast<float>(absl::ToDoubleMilliseconds(absl::Now() - start)));
  }
  for (const AttemptId id : ids) runner.handler().Stop(id);
  absl::MutexLock lock(&mu);
  const auto all = [&] { return over == hogs; };
  mu.Await(absl::Condition(&all));
  const auto [least, most] = std::minmax_element(used.begin(), used.end());
  return {Of(values), *least / *most};
}

}  // namespace

Table MeasureSandbox(const Options& options) {
  const bool quick = options.duration < absl::Seconds(1);
  Table table;
  table.name = "sandbox";
  table.title = "The Lua handler in this process, with two sandbox processes";
  table.columns = {{"what", "what"}, {"value", "value", 3}, {"goal", "goal"}};
  table.notes = {
      "trivial script: `return 1`, CPU of both sides; here: called again and again in one plain state",
      "stopped: from Stop of a script to the end of the next one in the same slot",
      "lateness: from the time a script asked to be woken to its end"};
  const auto add = [&](const std::string& what, double value, const std::string& goal) {
    table.rows.push_back({what, value, goal});
  };
  {
    Runner runner(options);
    const int tasks = quick ? 20'000 : 200'000;
    MeasureTrivial(runner, tasks / 10);
    Rounds there;
    Rounds here;
    for (int round = 0; round < options.rounds; ++round) {
      there.emplace_back().server_cpu_us = MeasureTrivial(runner, tasks);
      here.emplace_back().server_cpu_us = MeasureTrivialHere(tasks);
    }
    add("trivial script, us of CPU", Median(there, &Measurement::server_cpu_us), "at most 3");
    add("trivial script here, us of CPU", Median(here, &Measurement::server_cpu_us), "");
    Rounds sandboxed;
    Rounds plain;
    for (int round = 0; round < options.rounds; ++round) {
      sandboxed.emplace_back().p50_us = LoopInSandbox(runner);
      plain.emplace_back().p50_us = LoopHere();
    }
    add("loop, CPU against plain Lua", MedianRatio(sandboxed, plain, &Measurement::p50_us), "at most 1.03");
  }
  {
    const Parking parking = MeasureParking(options, quick ? 10'000 : 100'000, quick ? 3 : 20);
    add("parked script, bytes of handler and workers", parking.bytes, "at most 1500");
    add("parked task, bytes of a whole server", MeasureParkingInServer(options, quick ? 10'000 : 100'000),
        "at most 1500");
    add("parked script, bytes counted", parking.difference, "");
    add("parked scripts that moved, part", parking.moved, "about 0.5");
    add("parked scripts with wrong locals", parking.wrong, "0");
    add("lateness p50, ms", parking.late_p50_ms, "");
    add("lateness p99, ms", parking.late_p99_ms, "at most 5");
  }
  const int times = quick ? 20 : 300;
  for (const auto& [name, source] : std::vector<std::pair<std::string, std::string>>{
           {"Lua loop", "while true do pcall(function() while true do end end) end"},
           {"C function", "local s = ('a'):rep(5000) while true do s:find(('.-'):rep(30) .. 'b') end"}}) {
    const Percentiles stop = MeasureStop(options, source, false, times);
    add("stopped in a " + name + ", p50 ms", stop.p50_ms, "");
    add("stopped in a " + name + ", p99 ms", stop.p99_ms, "at most 10");
  }
  const Percentiles killed = MeasureStop(options, "while true do end", true, times);
  add("stopped by SIGKILL, p50 ms", killed.p50_ms, "");
  add("stopped by SIGKILL, p99 ms", killed.p99_ms, "at most 60");
  for (const int hogs : {2, 8}) {
    const Sharing sharing = MeasureSharing(options, hogs, quick ? absl::Seconds(2) : absl::Seconds(20));
    const std::string beside = absl::StrCat("trivial script beside ", hogs, " hogs, ");
    add(beside + "p50 ms", sharing.trivial.p50_ms, "");
    add(beside + "p99 ms", sharing.trivial.p99_ms, "at most 30");
    add(absl::StrCat("least CPU of ", hogs, " hogs over most"), sharing.fairness, "");
  }
  return table;
}

}  // namespace errand::bench
