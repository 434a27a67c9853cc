#include <algorithm>

#include "tests/bench/durable_load.h"
#include "tests/bench/measurement.h"
#include "tests/bench/scenarios.h"
#include "tests/bench/store_tasks.h"

namespace errand::bench {

Table MeasurePayloads(const Options& options) {
  Table table;
  table.name = "payloads";
  table.title =
      "The durable store in this process: how often the bytes of a payload are written, 64 tasks at a time";
  table.columns = {{"payload_bytes", "bytes a payload"},
                   {"tasks_per_second", "tasks/s"},
                   {"payload_mib_per_second", "MiB/s of payload"},
                   {"written_ratio", "written / payload", 2},
                   {"cpu_us", "CPU us/task", 1}};
  table.notes = {"written: to files, by all of this process, once segments are used again",
                 "goal: at most 1.1 times the payload at 64 KiB"};
  for (const int kib : {4, 64}) {
    DurableLoad load;
    load.outstanding = 64;
    load.payload_bytes = static_cast<size_t>(kib) << 10;
    load.warm_up = options.warm_up;
    // Segments are written ahead in one piece: so many that a piece more or less means little.
    load.duration = std::max(options.duration, absl::Seconds(2));
    Rounds rounds;
    for (int round = 0; round < options.rounds; ++round) rounds.push_back(MeasureStoreTasks(load));
    const double per_second = Median(rounds, &Measurement::items_per_second);
    const auto bytes = static_cast<double>(load.payload_bytes);
    table.rows.push_back({bytes, per_second, per_second * bytes / (1 << 20),
                          Median(rounds, &Measurement::written_bytes) / bytes,
                          Median(rounds, &Measurement::server_cpu_us)});
  }
  return table;
}

}  // namespace errand::bench
