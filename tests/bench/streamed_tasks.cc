#include "tests/bench/streamed_tasks.h"

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "errand/v1/tasks.grpc.pb.h"
#include "tests/bench/disk_folder.h"
#include "tests/bench/durable_store.h"
#include "tests/bench/failure.h"
#include "tests/bench/load.h"
#include "tests/bench/scenarios.h"
#include "tests/bench/server_process.h"
#include "tests/bench/task_submitter.h"

namespace errand::bench {
namespace {

constexpr int kMaxFrame = 1000;

// Counts the tasks of a queue that succeed.
class Successes {
 public:
  // Returns when it counts.
  explicit Successes(const std::shared_ptr<grpc::Channel>& channel) : stub_(v1::Tasks::NewStub(channel)) {
    thread_ = std::thread([this] { Run(); });
    watching_.WaitForNotification();
  }
  ~Successes() {
    context_.TryCancel();
    thread_.join();
  }

  int64_t total() {
    absl::MutexLock lock(&mu_);
    return total_;
  }

  // Those since the last call, as soon as there is one; 0 at `deadline`.
  int Take(absl::Time deadline) {
    absl::MutexLock lock(&mu_);
    mu_.AwaitWithDeadline(absl::Condition(
                              +[](int* fresh) { return *fresh > 0; }, &fresh_),
                          deadline);
    return std::exchange(fresh_, 0);
  }

 private:
  void Run() {
    v1::WatchQueueRequest request;
    request.set_parent("queues/default");
    const auto reader = stub_->WatchQueue(&context_, request);
    v1::WatchQueueResponse response;
    while (reader->Read(&response)) {
      if (!watching_.HasBeenNotified()) watching_.Notify();
      int succeeded = 0;
      for (const v1::TaskEvent& event : response.events()) {
        if (event.state().state() == v1::TASK_STATE_FAILED) Fail("a script failed");
        if (event.state().state() == v1::TASK_STATE_SUCCEEDED) ++succeeded;
      }
      absl::MutexLock lock(&mu_);
      total_ += succeeded;
      fresh_ += succeeded;
    }
    const grpc::Status status = reader->Finish();
    if (status.error_code() != grpc::StatusCode::CANCELLED) Fail("WatchQueue: " + status.error_message());
  }

  const std::unique_ptr<v1::Tasks::Stub> stub_;
  grpc::ClientContext context_;
  absl::Notification watching_;
  absl::Mutex mu_;
  int64_t total_ ABSL_GUARDED_BY(mu_) = 0;
  int fresh_ ABSL_GUARDED_BY(mu_) = 0;
  std::thread thread_;
};

}  // namespace

Measurement MeasureStreamedTasks(const Options& options, const DurableLoad& load) {
  const DiskFolder folder;
  const ServerProcess server(ErranddCommand(options, {"--data_dir=" + folder.path()}));
  const auto channels = Connect(server.address(), 2);
  Successes successes(channels[0]);
  TaskSubmitter submitter(channels[1], SmallScript(load.payload_bytes));
  int free = load.outstanding;
  const auto run_until = [&](absl::Time end) {
    while (absl::Now() < end) {
      while (free > 0) {
        const int tasks = std::min(free, kMaxFrame);
        submitter.Send(tasks);
        free -= tasks;
      }
      free += successes.Take(end);
    }
  };
  WarmUp(load, folder.path(), [&](absl::Duration time) { run_until(absl::Now() + time); });
  submitter.Measure();
  const CpuTime cpu_before = server.Cpu();
  const int64_t written_before = server.WrittenBytes();
  const int64_t total_before = successes.total();
  const absl::Time start = absl::Now();
  run_until(start + load.duration);
  const auto tasks = static_cast<double>(successes.total() - total_before);
  const CpuTime cpu = server.Cpu() - cpu_before;
  const int64_t written = server.WrittenBytes() - written_before;
  const absl::Duration elapsed = absl::Now() - start;
  std::vector<float> latencies = submitter.TakeLatencies();
  submitter.Finish();
  if (tasks == 0) Fail("no script succeeded in the measured time");
  Measurement measured;
  measured.items_per_second = tasks / absl::ToDoubleSeconds(elapsed);
  measured.p50_us = Percentile(latencies, 0.5);
  measured.p99_us = Percentile(latencies, 0.99);
  measured.server_cpu_us = absl::ToDoubleMicroseconds(cpu.server) / tasks;
  measured.sandbox_cpu_us = absl::ToDoubleMicroseconds(cpu.sandboxes) / tasks;
  measured.written_bytes = static_cast<double>(written) / tasks;
  return measured;
}

}  // namespace errand::bench
