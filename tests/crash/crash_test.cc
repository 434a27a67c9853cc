// Kills the real server again and again while clients are at work, and compares what it then holds with what
// it has acknowledged to them.
//
//   crash_test [--rounds=N] [--seed=N]
//
// A round is a life of the server: it starts with the folder that the last one has left, the clients compare,
// make calls of all kinds, and at a random moment it is killed. Some lives end before the server listens.
// Every kSettleEvery rounds the clients wait for all their tasks to end, compare every event, look at
// the order in which the tasks ran, and delete most of them.
//
// The seed decides what the clients do and how long a life is meant to be, not what the kill meets.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "google/rpc/error_details.pb.h"
#include "tests/crash/acknowledged_queue.h"
#include "tests/crash/client.h"
#include "tests/crash/data_folder.h"
#include "tests/crash/kill.h"
#include "tests/crash/script_kind.h"
#include "tests/crash/start_order.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"
#include "tests/paths/paths.h"

namespace errand {
namespace {

int rounds_asked = 200;
uint64_t seed = std::random_device()();

constexpr int kClients = 6;
constexpr int kSettleEvery = 3;
// Every start begins a segment of 64 MiB, and reads all there are to their ends.
constexpr int kRoundsAFolder = 6;

// What the rounds took and met, all in all.
struct Totals {
  int in_vain = 0;  // Lives that may have ended before the server listened.
  Tally tally;
  absl::Duration starting, checking, loading, settling;
};

// A server's folder, its lives and its clients.
class Crashes {
 public:
  explicit Crashes(uint64_t folder_seed) : random_(folder_seed), serial_queue_(kSerialQueue) {
    for (int number = 0; number < kClients; ++number) {
      clients_.push_back(std::make_unique<Client>(number, folder_seed + 1 + static_cast<uint64_t>(number)));
    }
  }
  ~Crashes() {
    if (!testing::Test::HasFailure()) return;
    if (server_ != nullptr && server_->pid() > 0) {
      server_->Signal(SIGKILL);  // Unless it has ended already.
      std::cout << "the server's end, an exit code or minus a signal: " << server_->Wait() << std::endl;
    }
    folder_.Keep();
    std::cout << "the server's folder is kept: " << folder_.path() << std::endl;
  }

  // A round each; stops at the first one that fails.
  void Run(int first_round, int last_round, Totals& totals);

 private:
  void Start() {
    server_ = std::make_unique<ServerProcess>(std::vector<std::string>{"--data_dir=" + folder_.path()});
    for (const auto& client : clients_) client->Connect(*server_);
  }
  // A life that may end before the server listens.
  void StartInVain() {
    const int millis = 1 + Random(150);
    RunProgram({"timeout", "-s", "KILL", absl::StrCat(millis / 1000.0), kErranddPath, "--listen=127.0.0.1:0",
                "--log_level=warning", "--data_dir=" + folder_.path()});
  }
  void WaitForItsEnd() {
    EXPECT_EQ(server_->Wait(), -SIGKILL) << "it was not the kill that ended it";
    folder_.ReleaseZeros();
  }

  // Every client in a thread of its own.
  template <class Work>
  void ForEachClient(int round, Work work) {
    std::vector<std::thread> threads;
    for (const auto& client : clients_) {
      threads.emplace_back([&, work] {
        SCOPED_TRACE(Where(round));
        work(*client);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  std::string Where(int round) const { return absl::StrCat("seed ", seed, ", round ", round); }

  void CheckEverything(int round);
  void Load(int round);
  void Settle(int round);

  std::vector<v1::Task> List(const std::string& queue);
  void CheckSerialQueue();

  int Random(int below) { return static_cast<int>(random_() % static_cast<uint64_t>(below)); }

  std::mt19937_64 random_;
  DataFolder folder_;
  std::unique_ptr<ServerProcess> server_;
  std::vector<std::unique_ptr<Client>> clients_;
  AcknowledgedQueue serial_queue_;
};

std::vector<v1::Task> Crashes::List(const std::string& queue) {
  std::vector<v1::Task> tasks;
  v1::ListTasksRequest request;
  request.set_parent(queue);
  request.set_page_size(1000);
  request.set_view(v1::TASK_VIEW_FULL);
  for (;;) {
    v1::ListTasksResponse response;
    const grpc::Status status = Call(server_->tasks(), &v1::Tasks::Stub::ListTasks, request, &response);
    // A queue without tasks and settings does not exist.
    if (status.error_code() == grpc::StatusCode::NOT_FOUND) return tasks;
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::move(response.mutable_tasks()->begin(), response.mutable_tasks()->end(), std::back_inserter(tasks));
    if (!status.ok() || response.next_page_token().empty()) return tasks;
    request.set_page_token(response.next_page_token());
  }
}

// `queues/traces/tasks/{submission}-{attempt}`
std::pair<std::string, int> TraceOf(const v1::Task& task) {
  const std::string id = task.name().substr(task.name().rfind('/') + 1);
  const size_t end = id.rfind('-');
  return {id.substr(0, end), std::stoi(id.substr(end + 1))};
}

void Crashes::CheckSerialQueue() {
  if (serial_queue_.known().etag().empty()) {
    v1::UpdateQueueRequest request;
    request.mutable_queue()->set_name(kSerialQueue);
    request.mutable_queue()->set_max_running(1);
    v1::UpdateQueueResponse response;
    ASSERT_TRUE(Call(server_->queues(), &v1::Queues::Stub::UpdateQueue, request, &response).ok());
    serial_queue_.See(response.queue());
    return;
  }
  v1::GetQueueRequest request;
  request.set_name(kSerialQueue);
  v1::GetQueueResponse response;
  ASSERT_TRUE(Call(server_->queues(), &v1::Queues::Stub::GetQueue, request, &response).ok());
  serial_queue_.See(response.queue());
}

void Crashes::CheckEverything(int round) {
  std::vector<Listing> listings(kClients);
  std::map<std::string, int> traces;
  for (v1::Task& task : List("queues/-")) {
    if (absl::StartsWith(task.name(), absl::StrCat(kTracesQueue, "/"))) {
      const auto [submission, attempt] = TraceOf(task);
      traces[submission] = std::max(traces[submission], attempt);
    } else {
      listings[static_cast<size_t>(std::stoi(task.labels().at("client")))].tasks.push_back(std::move(task));
    }
  }
  for (Listing& listing : listings) listing.traces = traces;
  CheckSerialQueue();
  ForEachClient(round, [&](Client& client) { client.Check(listings[static_cast<size_t>(client.number())]); });
}

void Crashes::Load(int round) {
  Kill kill(*server_);
  std::thread killer([&kill, millis = Random(10) == 0 ? Random(20) : 50 + Random(250)] {
    kill.NowUnlessDoneWithin(absl::Milliseconds(millis));
  });
  ForEachClient(round, [&](Client& client) { client.Load(kill); });
  killer.join();
  WaitForItsEnd();
}

void Crashes::Settle(int round) {
  ForEachClient(round, [](Client& client) { client.Settle(); });
  if (testing::Test::HasFailure()) return;
  std::vector<TaskRuns> runs;
  for (const auto& client : clients_) {
    std::vector<TaskRuns> of_client = client->TakeRuns();
    std::move(of_client.begin(), of_client.end(), std::back_inserter(runs));
  }
  CheckStartOrder(std::move(runs), kSerialQueue);
  std::set<std::pair<std::string, int>> traces;
  for (const v1::Task& task : List(kTracesQueue)) {
    traces.insert(TraceOf(task));
    v1::Task ended;
    EXPECT_TRUE(Wait(server_->tasks(), task.name(), 30'000, &ended).ok());
    EXPECT_EQ(ended.state(), v1::TASK_STATE_SUCCEEDED) << ended.ShortDebugString();
    v1::DeleteTaskRequest request;
    request.set_name(task.name());
    v1::DeleteTaskResponse response;
    EXPECT_TRUE(Call(server_->tasks(), &v1::Tasks::Stub::DeleteTask, request, &response).ok()) << task.name();
  }
  for (const auto& client : clients_) {
    for (const auto& [submission, task] : client->tasks()) {
      if (task.kind() != ScriptKind::kSubmits || task.end()->state() != v1::TASK_STATE_SUCCEEDED) continue;
      EXPECT_TRUE(traces.count({client->SubmissionId(submission), task.end()->attempt_count()}) > 0)
          << "the task that its last attempt has submitted is lost: " << task.Describe();
    }
  }
  ForEachClient(round, [](Client& client) { client.DeleteMost(); });
}

void Crashes::Run(int first_round, int last_round, Totals& totals) {
  const auto timed = [](absl::Duration& total, auto work) {
    const absl::Time start = absl::Now();
    work();
    total += absl::Now() - start;
    return !testing::Test::HasFailure();
  };
  // The last one's kill is followed by a life without.
  for (int round = first_round; round <= last_round + 1; ++round) {
    SCOPED_TRACE(Where(round));
    const bool settles = round % kSettleEvery == 0 || round > last_round;
    for (; Random(8) == 0; ++totals.in_vain) StartInVain();
    if (!timed(totals.starting, [&] { Start(); })) return;
    if (!timed(totals.checking, [&] { CheckEverything(round); })) return;
    if (settles && !timed(totals.settling, [&] { Settle(round); })) return;
    if (round <= last_round && !timed(totals.loading, [&] { Load(round); })) return;
  }
  for (const auto& client : clients_) client->Disconnect();
  EXPECT_EQ(server_->Stop(), 0);
  for (const auto& client : clients_) totals.tally += client->tally();
}

TEST(CrashTest, WhatWasAcknowledgedSurvivesAKillAtAnyMoment) {
  std::cout << "seed " << seed << ", " << rounds_asked << " rounds" << std::endl;
  Totals totals;
  for (int round = 1; round <= rounds_asked; round += kRoundsAFolder) {
    Crashes crashes(seed * 1000 + static_cast<uint64_t>(round));
    crashes.Run(round, std::min(round + kRoundsAFolder - 1, rounds_asked), totals);
    if (HasFailure()) return;
  }
  const Tally& tally = totals.tally;
  std::cout << rounds_asked << " kills, and " << totals.in_vain << " while starting; acknowledged: " << tally
            << "\nstarting " << totals.starting << ", checking " << totals.checking << ", load "
            << totals.loading << ", settling " << totals.settling << std::endl;
  EXPECT_TRUE(tally.HasAll()) << "the clients have not done all that they should";
}

}  // namespace
}  // namespace errand

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    absl::string_view flag = argv[i];
    const bool known =
        (absl::ConsumePrefix(&flag, "--rounds=") && absl::SimpleAtoi(flag, &errand::rounds_asked)) ||
        (absl::ConsumePrefix(&flag, "--seed=") && absl::SimpleAtoi(flag, &errand::seed));
    if (known) continue;
    std::cerr << "usage: crash_test [--rounds=N] [--seed=N], not '" << argv[i] << "'\n";
    return 2;
  }
  // What the tasks' errors have in them is looked up under a lock of Protobuf's, which TSan does not see:
  // before the clients' threads, that makes it known to all.
  google::rpc::ErrorInfo::descriptor();
  return RUN_ALL_TESTS();
}
