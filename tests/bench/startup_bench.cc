// How soon a data folder full of tasks is a server that listens, and what a waiting task takes in memory.
#include <grpcpp/client_context.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "errand/v1/queues.grpc.pb.h"
#include "tests/bench/disk_folder.h"
#include "tests/bench/failure.h"
#include "tests/bench/load.h"
#include "tests/bench/paused_queue.h"
#include "tests/bench/scenarios.h"
#include "tests/bench/server_process.h"
#include "tests/bench/task_submitter.h"

namespace errand::bench {
namespace {

constexpr int kPayloadBytes = 200;
constexpr int kFrame = 500;

struct Started {
  double seconds = 0;  // From the process's start until it listens.
  double bytes = 0;    // Of resident memory.
};

// There is room for everything.
std::vector<std::string> Command(const Options& options, const DiskFolder& folder,
                                 const std::string& workers) {
  return ErranddCommand(options, {"--data_dir=" + folder.path(), workers, "--queue_max_tasks=100000000",
                                  "--queue_max_bytes=100000000000"});
}

int64_t Waiting(const ServerProcess& server) {
  grpc::ClientContext context;
  v1::GetQueueStatsRequest request;
  request.set_name("queues/default");
  v1::GetQueueStatsResponse response;
  const auto stub = v1::Queues::NewStub(Connect(server.address(), 1)[0]);
  const grpc::Status status = stub->GetQueueStats(&context, request, &response);
  if (!status.ok()) Fail("GetQueueStats: " + status.error_message());
  const auto& counts = response.stats().tasks_by_state();
  const auto queued = counts.find("TASK_STATE_QUEUED");
  return queued == counts.end() ? 0 : queued->second;
}

// What the server has in memory once it has given back what it does not need: when that has not become less
// for a while.
double SettledBytes(const ServerProcess& server) {
  constexpr absl::Duration kWhile = absl::Seconds(3);
  int64_t least = server.ResidentBytes();
  for (absl::Time since = absl::Now(); absl::Now() < since + kWhile; absl::SleepFor(kWhile / 30)) {
    const int64_t bytes = server.ResidentBytes();
    if (bytes >= least) continue;
    least = bytes;
    since = absl::Now();
  }
  return static_cast<double>(least);
}

// Its resident memory when it has all of them.
double Fill(const Options& options, const DiskFolder& folder, int tasks) {
  const ServerProcess server(Command(options, folder, "--lua_workers=1"));
  PauseDefaultQueue(server);
  TaskSubmitter submitter(Connect(server.address(), 1)[0], SmallScript(kPayloadBytes));
  for (int sent = 0; sent < tasks; sent += kFrame) submitter.Send(kFrame);
  submitter.Finish();
  return SettledBytes(server);
}

Started Start(const Options& options, const DiskFolder& folder, int tasks) {
  folder.DropFromCache();
  const absl::Time start = absl::Now();
  const ServerProcess server(Command(options, folder, "--lua_workers=0"));
  Started started;
  started.seconds = absl::ToDoubleSeconds(absl::Now() - start);
  if (tasks > 0 && Waiting(server) != tasks) Fail("a server that started again has other tasks than before");
  started.bytes = SettledBytes(server);
  return started;
}

}  // namespace

Table MeasureStartup(const Options& options) {
  Table table;
  table.name = "startup";
  table.title =
      absl::StrCat("errandd --data_dir with tasks that wait, each with a payload of ", kPayloadBytes,
                   " bytes: killed, and started again with nothing in the page cache");
  table.columns = {{"tasks", "tasks"},
                   {"ready_seconds", "seconds until ready", 2},
                   {"bytes", "bytes a task"},
                   {"bytes_before", "bytes a task before"}};
  table.notes = {"ready: it listens; an empty folder's time is taken off",
                 "bytes: of resident memory beyond that of an empty folder, once it does not become less; "
                 "before: by the "
                 "server that took them",
                 "goals: 1,000,000 tasks in 1.5 s, 10,000,000 in 12 s (--ten_million); 200 bytes a task"};
  std::vector<int> sizes = {1'000'000};
  if (options.ten_million) sizes.push_back(10'000'000);
  const DiskFolder none;
  for (const int tasks : sizes) {
    const DiskFolder folder;
    const double before = Fill(options, folder, tasks);
    std::vector<float> seconds;
    std::vector<float> bytes;
    double empty_bytes = 0;
    for (int round = 0; round < options.rounds; ++round) {
      const Started empty = Start(options, none, 0);
      const Started full = Start(options, folder, tasks);
      seconds.push_back(static_cast<float>(full.seconds - empty.seconds));
      bytes.push_back(static_cast<float>((full.bytes - empty.bytes) / tasks));
      empty_bytes = empty.bytes;
    }
    table.rows.push_back(
        {double(tasks), Percentile(seconds, 0.5), Percentile(bytes, 0.5), (before - empty_bytes) / tasks});
  }
  return table;
}

}  // namespace errand::bench
