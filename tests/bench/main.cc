// errand_bench: what Errand costs, as ratios to a floor measured in the same run.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "tests/bench/failure.h"
#include "tests/bench/options.h"
#include "tests/bench/scenarios.h"
#include "tests/bench/table.h"

namespace errand::bench {

std::vector<std::string> ErranddCommand(const Options& options, const std::vector<std::string>& flags) {
  std::vector<std::string> command = {options.errandd, "--listen=127.0.0.1:0", "--log_level=error"};
  command.push_back("--sandbox=" + options.sandbox);
  command.insert(command.end(), flags.begin(), flags.end());
  return command;
}

namespace {

struct Scenario {
  const char* name;
  Table (*measure)(const Options& options);
};

constexpr Scenario kScenarios[] = {{"create_task", MeasureCreateTask},
                                   {"run_task", MeasureRunTask},
                                   {"watch", MeasureWatch},
                                   {"queue_watch", MeasureQueueWatch},
                                   {"submission", MeasureSubmission},
                                   {"idle_streams", MeasureIdleStreams},
                                   {"batches", MeasureBatches},
                                   {"store", MeasureStore},
                                   {"log", MeasureLog},
                                   {"durable", MeasureDurable},
                                   {"payloads", MeasurePayloads},
                                   {"startup", MeasureStartup},
                                   {"week", MeasureWeek},
                                   {"scripts", MeasureScripts},
                                   {"parking", MeasureParking},
                                   {"stopping", MeasureStopping},
                                   {"soak", MeasureSoak}};

// All scenarios unless some are named.
void Run(const Options& options, const std::vector<std::string>& wanted, bool json) {
  const Machine machine = DescribeMachine();
  if (!json) PrintText(machine);
  std::vector<Table> tables;
  for (const Scenario& scenario : kScenarios) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), scenario.name) == wanted.end()) continue;
    tables.push_back(scenario.measure(options));
    if (!json) PrintText(tables.back());
  }
  if (json) PrintJson(machine, tables);
}

}  // namespace
}  // namespace errand::bench

int main(int argc, char** argv) {
  using errand::bench::Options;
  // Not for fairness, the client's CPU time is not counted; but it takes time from the server's cores.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  Options options;
  options.errandd = folder / "errandd";
  options.floor = folder / "errand_bench_floor";
  options.sandbox = folder / "errand-sandbox";
  std::vector<std::string> wanted;
  bool json = false;
  bool quick = false;
  CLI::App app("errand_bench: what Errand costs, as ratios to a floor measured in the same run.",
               "errand_bench");
  app.add_flag("--json", json, "Print one JSON object instead of tables");
  app.add_flag("--quick", quick, "Fewer and shorter rounds, rougher figures: all takes about 8 minutes");
  std::vector<std::string> names;
  for (const auto& scenario : errand::bench::kScenarios) names.emplace_back(scenario.name);
  app.add_option("SCENARIO", wanted, "Which to measure (default: all)")->check(CLI::IsMember(names));
  app.add_flag("--ten_million", options.ten_million,
               "startup: with 10,000,000 tasks as well, which takes 5 GB of disk and maybe as much memory");
  app.add_flag("--whole_week", options.whole_week,
               "week: with all of its 60,000,000 tasks, which takes a quarter of an hour");
  app.add_option("--soak_minutes", options.soak_minutes, "soak: how long")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  CLI::Option* rounds =
      app.add_option("--rounds", options.rounds, "Measurements each figure is the median of")
          ->check(CLI::Range(1, 1000));
  app.add_option("--errandd", options.errandd, "The server")->check(CLI::ExistingFile)->capture_default_str();
  app.add_option("--sandbox", options.sandbox, "Its errand-sandbox")
      ->check(CLI::ExistingFile)
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (quick) {
    if (rounds->empty()) options.rounds = 2;
    options.warm_up = absl::Milliseconds(100);
    options.duration = absl::Milliseconds(250);
  }
  errand::bench::Run(options, wanted, json);
  return 0;
}
