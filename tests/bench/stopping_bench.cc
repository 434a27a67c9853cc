#include <signal.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "server/task/duration.h"
#include "tests/bench/measurement.h"
#include "tests/bench/scenarios.h"
#include "tests/bench/script_runner.h"

namespace errand::bench {
namespace {

constexpr char kTrivial[] = "return 1";
constexpr char kHog[] = "local x = 0 while true do x = x + 1 end";

struct Percentiles {
  double p50_ms = 0;
  double p99_ms = 0;
};

Percentiles Of(std::vector<float>& values) { return {Percentile(values, 0.5), Percentile(values, 0.99)}; }

// From Stop of an attempt that will not end by itself to the end of the next one, in the only worker.
Percentiles MeasureStop(const Options& options, const std::string& source, bool frozen, int times) {
  ScriptRunner runner(options, 1, 0);
  const auto runaway = ScriptRunner::Task("task.progress(1) " + source);
  const auto trivial = ScriptRunner::Task(kTrivial);
  std::mt19937 random(1);
  std::vector<float> values;
  for (int i = 0; i < times; ++i) {
    absl::Notification stopped;
    const handlers::AttemptId id = runner.Start(runaway, [&](const handlers::Outcome&) { stopped.Notify(); });
    absl::SleepFor(absl::Microseconds(15'000 + random() % 10'000));
    if (frozen) {
      for (const pid_t pid : ScriptRunner::Workers()) kill(pid, SIGSTOP);
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
  ScriptRunner runner(options, 2, 1);
  const auto trivial = ScriptRunner::Task(kTrivial);
  runner.Run(trivial);
  runner.Run(trivial);
  absl::Mutex mu;
  int over = 0;
  std::vector<double> used;
  std::vector<handlers::AttemptId> ids;
  for (int i = 0; i < hogs; ++i) {
    ids.push_back(runner.Start(ScriptRunner::Task(kHog), [&](const handlers::Outcome& outcome) {
      absl::MutexLock lock(&mu);
      ++over;
      used.push_back(absl::ToDoubleSeconds(task::FromProto(outcome.usage.cpu_time())));
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
  for (const handlers::AttemptId id : ids) runner.handler().Stop(id);
  absl::MutexLock lock(&mu);
  const auto all = [&] { return over == hogs; };
  mu.Await(absl::Condition(&all));
  const auto [least, most] = std::minmax_element(used.begin(), used.end());
  return {Of(values), *least / *most};
}

}  // namespace

Table MeasureStopping(const Options& options) {
  const bool quick = options.duration < absl::Seconds(1);
  Table table;
  table.name = "stopping";
  table.title = "Scripts that do not end by themselves";
  table.columns = {{"what", "what"}, {"value", "value", 3}, {"goal", "goal"}};
  table.notes = {"stopped: from Stop of a script to the end of the next one in the same slot"};
  const auto add = [&](const std::string& what, double value, const std::string& goal) {
    table.rows.push_back({what, value, goal});
  };
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
