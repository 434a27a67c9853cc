#include "tests/bench/store_tasks.h"

#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "server/task/name.h"
#include "tests/bench/disk_folder.h"
#include "tests/bench/durable_store.h"
#include "tests/bench/failure.h"
#include "tests/bench/process_usage.h"

namespace errand::bench {
namespace {

void Check(const std::vector<absl::Status>& results) {
  for (const absl::Status& result : results) {
    if (!result.ok()) Fail(result.message());
  }
}

// Keeps so many tasks outstanding from its making to Stop. What the store's callbacks tell is acted on by a
// thread of its own, as a server's would: those of the store are for the store.
class Loop final : public store::LeaseHolder {
 public:
  Loop(store::TaskStore* store, const DurableLoad& load)
      : store_(store), load_(load), thread_([this] { Run(); }) {}
  ~Loop() override { thread_.join(); }

  // From now on what is submitted and completed counts.
  void Measure() {
    absl::MutexLock lock(&mu_);
    completed_ = 0;
    submit_us_.clear();
  }
  int64_t completed() {
    absl::MutexLock lock(&mu_);
    return completed_;
  }

  // Waits until nothing is outstanding; how long the submissions took.
  std::vector<float> Stop() {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    mu_.Await(absl::Condition(
        +[](int* ended) { return *ended == 0; }, &running_));
    over_ = true;
    return std::move(submit_us_);
  }

  void OnCancelRequested(const store::Lease&) override {}

 private:
  // What there is to do.
  struct Work {
    int submissions = 0;
    std::vector<store::ClaimedTask> claimed;
  };

  void Run() {
    {
      absl::MutexLock lock(&mu_);
      work_.submissions = load_.outstanding;
    }
    Claim();
    for (;;) {
      Work work;
      {
        absl::MutexLock lock(&mu_);
        const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
          return over_ || work_.submissions > 0 || !work_.claimed.empty();
        };
        mu_.Await(absl::Condition(&has_work));
        if (over_) return;
        std::swap(work, work_);
      }
      if (!work.claimed.empty()) {
        Finish(work.claimed);
        Claim();
      }
      for (int i = 0; i < work.submissions; ++i) Submit();
    }
  }

  void Submit() {
    auto task = std::make_unique<v1::Task>();
    task->set_uid(task::NewUid());
    task->set_name(task::TaskName(task::kDefaultQueue, task->uid()));
    task->mutable_lua()->set_source("return 1");
    task->mutable_lua()->set_text(payload_);
    std::vector<store::Submission> submissions(1);
    submissions[0].task = task.get();
    store_->Submit(std::move(submissions), store::SubmitMode::kEach,
                   [this, start = absl::Now(), task = std::move(task)](const auto& results) {
                     const absl::Duration took = absl::Now() - start;
                     Check(results);
                     absl::MutexLock lock(&mu_);
                     submit_us_.push_back(static_cast<float>(absl::ToDoubleMicroseconds(took)));
                   });
  }

  void Claim() {
    store_->Claim({task::HandlerKind::kLua, {.tasks = load_.outstanding}, absl::Minutes(1), this, "bench"},
                  [this](std::vector<store::ClaimedTask> claimed) {
                    absl::MutexLock lock(&mu_);
                    work_.claimed = std::move(claimed);  // There is one claim at a time.
                  });
  }

  void Finish(const std::vector<store::ClaimedTask>& claimed) {
    std::vector<store::FinishRequest> finished(claimed.size());
    for (size_t i = 0; i < claimed.size(); ++i) finished[i].lease = claimed[i].lease;
    store_->Finish(std::move(finished), [this](const auto& results) {
      Check(results);
      const auto count = static_cast<int>(results.size());
      absl::MutexLock lock(&mu_);
      completed_ += count;
      if (stopping_) {
        running_ -= count;
      } else {
        work_.submissions += count;
      }
    });
  }

  store::TaskStore* const store_;
  const DurableLoad load_;
  const std::string payload_ = std::string(load_.payload_bytes, 'x');

  absl::Mutex mu_;
  Work work_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool over_ ABSL_GUARDED_BY(mu_) = false;
  int running_ ABSL_GUARDED_BY(mu_) = load_.outstanding;
  int64_t completed_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<float> submit_us_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;
};

}  // namespace

Measurement MeasureStoreTasks(const DurableLoad& load) {
  const DiskFolder folder;
  store::StoreOptions options;
  options.max_ended_tasks = 1'000;  // Payloads of 64 KiB are kept as well.
  const DurableStore store(folder.path(), std::move(options));
  Loop loop(&*store, load);
  WarmUp(load, folder.path(), absl::SleepFor);  // The loop runs by itself.
  loop.Measure();
  const ProcessUsage before = UsageOf(getpid());
  const absl::Time start = absl::Now();
  absl::SleepFor(load.duration);
  const auto completed = static_cast<double>(loop.completed());
  const ProcessUsage used = UsageOf(getpid()) - before;
  const absl::Duration elapsed = absl::Now() - start;
  std::vector<float> submit_us = loop.Stop();
  store->Close();
  if (completed == 0) Fail("the store has completed nothing in the measured time");
  Measurement measured;
  measured.items_per_second = completed / absl::ToDoubleSeconds(elapsed);
  measured.p50_us = Percentile(submit_us, 0.5);
  measured.p99_us = Percentile(submit_us, 0.99);
  measured.server_cpu_us = absl::ToDoubleMicroseconds(used.cpu) / completed;
  measured.written_bytes = static_cast<double>(used.written_bytes) / completed;
  return measured;
}

}  // namespace errand::bench
