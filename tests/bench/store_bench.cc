// The memory store by itself, in this process: what a waiting task takes, and whether depth slows a claim.
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/store/memory/memory_store.h"
#include "server/task/name.h"
#include "tests/bench/failure.h"
#include "tests/bench/measurement.h"
#include "tests/bench/scenarios.h"

namespace errand::bench {
namespace {

constexpr int kPayloadBytes = 200;
constexpr int kBatch = 100;

class Holder final : public store::LeaseHolder {
 public:
  void OnCancelRequested(const store::Lease&) override {}
};

// A store at a constant depth.
class DeepQueue {
 public:
  explicit DeepQueue(int depth) : store_(Options()) {
    const int64_t before = ResidentBytes();
    const absl::Time start = absl::Now();
    for (int i = 0; i < depth; i += kBatch) Submit(kBatch);
    submit_us_ = absl::ToDoubleMicroseconds(absl::Now() - start) / depth;
    bytes_ = static_cast<double>(ResidentBytes() - before) / depth;
  }

  double submit_us() const { return submit_us_; }
  double bytes() const { return bytes_; }

  // Microseconds a task, from claim to finish.
  double MeasureClaims(int tasks) {
    absl::Duration spent;
    for (int i = 0; i < tasks; i += kBatch) {
      const absl::Time start = absl::Now();
      std::vector<store::FinishRequest> finished;
      store_.Claim({task::HandlerKind::kLua, {.tasks = kBatch}, absl::Minutes(1), &holder_, "bench"},
                   [&](std::vector<store::ClaimedTask> claimed) {
                     for (const store::ClaimedTask& task : claimed) {
                       finished.emplace_back();
                       finished.back().lease = task.lease;
                     }
                   });
      if (finished.size() != kBatch) Fail("the store has fewer tasks than were submitted");
      store_.Finish(std::move(finished), [](auto) {});
      spent += absl::Now() - start;
      Submit(kBatch);
    }
    return absl::ToDoubleMicroseconds(spent) / tasks;
  }

 private:
  static store::StoreOptions Options() {
    store::StoreOptions options;
    options.max_queue_tasks = 100'000'000;
    options.max_queue_bytes = int64_t{1} << 40;
    options.max_ended_tasks = 1'000;
    return options;
  }

  static int64_t ResidentBytes() {
    std::ifstream fields("/proc/self/statm");
    int64_t size = 0;
    int64_t resident = 0;
    fields >> size >> resident;
    return resident * sysconf(_SC_PAGESIZE);
  }

  void Submit(int tasks) {
    google::protobuf::Arena arena;
    std::vector<store::Submission> submissions;
    for (int i = 0; i < tasks; ++i) {
      auto* task = google::protobuf::Arena::CreateMessage<v1::Task>(&arena);
      task->set_uid(task::NewUid());
      task->set_name(task::TaskName(task::kDefaultQueue, task->uid()));
      task->set_durability(v1::DURABILITY_MEMORY);
      task->mutable_lua()->set_source("return 1");
      task->mutable_lua()->set_text(std::string(kPayloadBytes, 'x'));
      submissions.emplace_back().task = task;
    }
    store_.Submit(std::move(submissions), store::SubmitMode::kEach, [](auto results) {
      for (const auto& result : results) {
        if (!result.ok()) Fail(absl::StrCat("Submit: ", std::string(result.message())));
      }
    });
  }

  Holder holder_;
  store::MemoryStore store_;
  double submit_us_ = 0;
  double bytes_ = 0;
};

}  // namespace

Table MeasureStore(const Options& options) {
  Table table;
  table.name = "store";
  table.title = "The memory store in this process: tasks with a payload of 200 bytes that wait in one queue";
  table.columns = {{"depth", "depth"},
                   {"bytes", "bytes a task"},
                   {"submit_us", "submit us/task", 2},
                   {"claim_us", "claim+finish us/task", 2},
                   {"claim_ratio", "claim ratio", 2}};
  table.notes = {
      "bytes: of resident memory, all in, while the task waits; next to nothing is measurable at a depth of "
      "1000",
      "in batches of 100; depth stays as it is", "goals: at most 600 bytes a task; claim ratio at most 1.3"};
  std::vector<std::unique_ptr<DeepQueue>> queues;
  for (const int depth : {1'000, 1'000'000}) queues.push_back(std::make_unique<DeepQueue>(depth));
  std::vector<Rounds> rounds(queues.size());
  for (int round = 0; round < options.rounds; ++round) {
    for (size_t i = 0; i < queues.size(); ++i) {
      Measurement measurement;
      measurement.p50_us = queues[i]->MeasureClaims(20'000);
      rounds[i].push_back(measurement);
    }
  }
  const double depths[] = {1e3, 1e6};
  for (size_t i = 0; i < queues.size(); ++i) {
    table.rows.push_back({depths[i], queues[i]->bytes(), queues[i]->submit_us(),
                          Median(rounds[i], &Measurement::p50_us),
                          MedianRatio(rounds[i], rounds[0], &Measurement::p50_us)});
  }
  return table;
}

}  // namespace errand::bench
