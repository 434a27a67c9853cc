#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/bare_sync.h"
#include "tests/bench/durable_load.h"
#include "tests/bench/measurement.h"
#include "tests/bench/peer.h"
#include "tests/bench/peer_load.h"
#include "tests/bench/scenarios.h"
#include "tests/bench/store_tasks.h"
#include "tests/bench/streamed_tasks.h"

namespace errand::bench {
namespace {

// What was measured in each round; nothing of a peer that is not installed.
struct Results {
  Rounds bare_sync;
  Rounds store;
  Rounds streamed;
  std::vector<Rounds> peers;
};

// The peers that Errand is compared with come first.
constexpr size_t kBeanstalkd = 0;
constexpr size_t kRedis = 1;

// The peers have no more than this; WarmUp says what Errand waits for.
constexpr absl::Duration kMinWarmUp = absl::Seconds(6);
constexpr absl::Duration kMinDuration = absl::Seconds(2);

std::vector<Peer> Peers() {
  return {Beanstalkd(), Redis(), RedisThatRunsAhead(), BeanstalkdThatSyncsLate(), Gearmand()};
}

Results Measure(const Options& options, const std::vector<Peer>& peers, const DurableLoad& load) {
  Results results;
  results.peers.resize(peers.size());
  for (int round = 0; round < options.rounds; ++round) {
    results.bare_sync.push_back(MeasureBareSync(load.duration / 4));
    results.store.push_back(MeasureStoreTasks(load));
    results.streamed.push_back(MeasureStreamedTasks(options, load));
    for (size_t i = 0; i < peers.size(); ++i) {
      if (peers[i].installed()) results.peers[i].push_back(MeasurePeer(peers[i], load));
    }
  }
  return results;
}

// Of nothing to a peer that is not installed.
Cell Ratio(const Rounds& rounds, const Rounds& base, Figure figure) {
  if (base.empty()) return "-";
  return MedianRatio(rounds, base, figure);
}

}  // namespace

Table MeasureDurable(const Options& options) {
  const std::vector<Peer> peers = Peers();
  Table table;
  table.name = "durable";
  table.title =
      "Tasks of 200 bytes that are submitted, taken and completed, all of it durable, beside other queues";
  table.columns = {{"outstanding", "outstanding"},
                   {"way", "what"},
                   {"tasks_per_second", "tasks/s"},
                   {"beanstalkd_ratio", "x beanstalkd -f 0", 2},
                   {"redis_ratio", "x redis always", 2},
                   {"cpu_us", "CPU us/task", 1},
                   {"sandbox_cpu_us", "sandbox CPU us/task", 1},
                   {"submit_p50_us", "submit p50 us"},
                   {"submit_p99_us", "submit p99 us"},
                   {"sync_ratio", "p50 / fdatasync", 2},
                   {"written_bytes", "bytes written/task"}};
  table.notes = {
      "fdatasync: one write of 4 KiB at a time, each with its fdatasync, into blocks that exist",
      "store: errandd's, in this process, without gRPC and scripts; its CPU time is all of this process",
      "errandd: SubmitTasks frames over gRPC, `return 1` in a sandbox, WatchQueue says which have succeeded",
      "peers: up to 64 connections, put and take go out together; the next task, everywhere, when the end of "
      "one is acknowledged",
      "store and errandd warm up until the log uses its files again, for at most a minute",
      "submit: from sending to the acknowledgement, of a frame for errandd",
      "the CPU time of clients is not counted, but they share the cores; bytes written: to files, as "
      "write calls have it",
      "goals: store at least 20 x beanstalkd -f 0 and 3 x redis, at most 6 us of CPU a task, p50 at most 2 x "
      "fdatasync's; errandd at least 4 x beanstalkd -f 0, and more than redis"};
  for (const Peer& peer : peers) {
    if (peer.installed()) continue;
    table.notes.push_back(absl::StrCat("skipped: ", peer.name, ", because Debian's package ", peer.package,
                                       " is not installed (./dev bench durable installs it)"));
  }
  for (const int outstanding : {64, 512}) {
    DurableLoad load;
    load.outstanding = outstanding;
    load.warm_up = std::max(options.warm_up, kMinWarmUp);
    load.duration = std::max(options.duration, kMinDuration);
    const Results results = Measure(options, peers, load);
    const auto add_row = [&](double at_a_time, const std::string& name, const Rounds& rounds) {
      const auto median = [&rounds](Figure figure) { return Median(rounds, figure); };
      table.rows.push_back({at_a_time, name, median(&Measurement::items_per_second),
                            Ratio(rounds, results.peers[kBeanstalkd], &Measurement::items_per_second),
                            Ratio(rounds, results.peers[kRedis], &Measurement::items_per_second),
                            median(&Measurement::server_cpu_us), median(&Measurement::sandbox_cpu_us),
                            median(&Measurement::p50_us), median(&Measurement::p99_us),
                            Ratio(rounds, results.bare_sync, &Measurement::p50_us),
                            median(&Measurement::written_bytes)});
    };
    add_row(outstanding, "store", results.store);
    add_row(outstanding, "errandd", results.streamed);
    for (size_t i = 0; i < peers.size(); ++i) {
      if (!results.peers[i].empty()) add_row(outstanding, peers[i].name, results.peers[i]);
    }
    add_row(1, "fdatasync", results.bare_sync);
    // It is no queue.
    table.rows.back()[3] = table.rows.back()[4] = Cell("-");
  }
  return table;
}

}  // namespace errand::bench
