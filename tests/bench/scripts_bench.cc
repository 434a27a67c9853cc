#include <time.h>

#include <lua.hpp>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "server/task/duration.h"
#include "tests/bench/failure.h"
#include "tests/bench/measurement.h"
#include "tests/bench/scenarios.h"
#include "tests/bench/script_runner.h"

namespace errand::bench {
namespace {

constexpr char kTrivial[] = "return 1";

absl::Duration CpuOf(clockid_t clock) {
  timespec used;
  if (clock_gettime(clock, &used) != 0) return absl::ZeroDuration();
  return absl::DurationFromTimespec(used);
}

// Keeps as many attempts at a trivial task going as there is room for, each end making room for the next, as
// the executor does.
class TrivialTasks {
 public:
  TrivialTasks(ScriptRunner* runner, int tasks) : runner_(runner), to_start_(tasks), to_end_(tasks) {}

  void Run() {
    Fill();
    over_.WaitForNotification();
  }

 private:
  void Fill() {
    for (int room = runner_->handler().GetRoom().tasks; room > 0; --room) {
      {
        absl::MutexLock lock(&mu_);
        if (to_start_ == 0) return;
        --to_start_;
      }
      runner_->Start(task_, [this](const handlers::Outcome& outcome) { OnDone(outcome); });
    }
  }

  void OnDone(const handlers::Outcome& outcome) {
    if (!outcome.status.ok()) Fail(outcome.status.message());
    bool last;
    {
      absl::MutexLock lock(&mu_);
      last = --to_end_ == 0;
    }
    if (last) {
      over_.Notify();
    } else {
      Fill();
    }
  }

  ScriptRunner* const runner_;
  const std::shared_ptr<v1::Task> task_ = ScriptRunner::Task(kTrivial);
  absl::Mutex mu_;
  int to_start_ ABSL_GUARDED_BY(mu_);
  int to_end_ ABSL_GUARDED_BY(mu_);
  absl::Notification over_;
};

Measurement MeasureTrivial(ScriptRunner& runner, int tasks) {
  const absl::Duration server = CpuOf(CLOCK_PROCESS_CPUTIME_ID);
  const absl::Duration workers = ScriptRunner::CpuOfWorkers();
  TrivialTasks(&runner, tasks).Run();
  Measurement measured;
  measured.server_cpu_us = absl::ToDoubleMicroseconds(CpuOf(CLOCK_PROCESS_CPUTIME_ID) - server) / tasks;
  measured.sandbox_cpu_us = absl::ToDoubleMicroseconds(ScriptRunner::CpuOfWorkers() - workers) / tasks;
  return measured;
}

// The same script in this process: compiled once, called in one state.
Measurement MeasureTrivialHere(int tasks) {
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
  Measurement measured;
  measured.server_cpu_us = absl::ToDoubleMicroseconds(used) / tasks;
  return measured;
}

constexpr char kLoop[] =
    "local x, t = 0, {} for i = 1, 10000000 do t[i % 64] = i; x = x + i % 7 end return x";

Measurement LoopHere() {
  lua_State* const state = luaL_newstate();
  luaL_openlibs(state);
  luaL_loadstring(state, kLoop);
  const absl::Duration before = CpuOf(CLOCK_THREAD_CPUTIME_ID);
  lua_pcall(state, 0, 1, 0);
  const absl::Duration used = CpuOf(CLOCK_THREAD_CPUTIME_ID) - before;
  lua_close(state);
  Measurement measured;
  measured.server_cpu_us = absl::ToDoubleMicroseconds(used);
  return measured;
}

Measurement LoopInSandbox(ScriptRunner& runner) {
  const handlers::Outcome outcome = runner.Run(ScriptRunner::Task(kLoop));
  if (!outcome.status.ok()) Fail(outcome.status.message());
  Measurement measured;
  measured.server_cpu_us = absl::ToDoubleMicroseconds(task::FromProto(outcome.usage.cpu_time()));
  return measured;
}

}  // namespace

Table MeasureScripts(const Options& options) {
  const bool quick = options.duration < absl::Seconds(1);
  Table table;
  table.name = "scripts";
  table.title = "Scripts in sandbox processes, handed over in this process";
  table.columns = {{"what", "what"}, {"value", "value", 3}, {"goal", "goal"}};
  table.notes = {
      "trivial script: `return 1`, as many at a time as there is room for; plain: called again and again in "
      "one state"};
  const auto add = [&](const std::string& what, double value, const std::string& goal) {
    table.rows.push_back({what, value, goal});
  };
  ScriptRunner runner(options);
  const int tasks = quick ? 20'000 : 200'000;
  MeasureTrivial(runner, tasks / 10);
  Rounds sandboxed;
  Rounds plain;
  for (int round = 0; round < options.rounds; ++round) {
    sandboxed.push_back(MeasureTrivial(runner, tasks));
    plain.push_back(MeasureTrivialHere(tasks));
  }
  const double server = Median(sandboxed, &Measurement::server_cpu_us);
  const double worker = Median(sandboxed, &Measurement::sandbox_cpu_us);
  add("trivial script, us of CPU", server + worker, "at most 3");
  add("  of the handler", server, "");
  add("  of the worker", worker, "");
  add("trivial script in plain Lua, us of CPU", Median(plain, &Measurement::server_cpu_us), "");
  sandboxed.clear();
  plain.clear();
  for (int round = 0; round < 4 * options.rounds; ++round) {
    sandboxed.push_back(LoopInSandbox(runner));
    plain.push_back(LoopHere());
  }
  add("loop, CPU against plain Lua", MedianRatio(sandboxed, plain, &Measurement::server_cpu_us),
      "at most 1.03");
  return table;
}

}  // namespace errand::bench
