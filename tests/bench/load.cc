#include "tests/bench/load.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/bench/failure.h"

namespace errand::bench {
namespace {

constexpr int kThreads = 2;

enum class Phase { kWarmUp, kMeasure, kEnd };

// Some of the callers, on a completion queue and a thread of their own.
class Group {
 public:
  explicit Group(const std::atomic<Phase>& phase) : phase_(phase) {}

  void Add(std::unique_ptr<Caller> caller) { callers_.push_back(std::move(caller)); }
  void Start() {
    thread_ = std::thread([this] { Run(); });
  }
  void Join() { thread_.join(); }

  // Of the calls that ended in the measured time, in microseconds.
  const std::vector<float>& latencies() const { return latencies_; }

 private:
  void Run() {
    for (const auto& caller : callers_) caller->Start(&queue_);
    size_t active = callers_.size();
    void* tag;
    bool ok;
    while (active > 0 && queue_.Next(&tag, &ok)) {
      auto* caller = static_cast<Caller*>(tag);
      if (!caller->OnComplete(ok)) continue;
      if (!caller->status().ok()) Fail(absl::StrCat("a call failed: ", caller->status().error_message()));
      const Phase phase = phase_.load(std::memory_order_relaxed);
      if (phase == Phase::kMeasure) latencies_.push_back(caller->latency().count());
      if (phase == Phase::kEnd) {
        --active;
      } else {
        caller->Start(&queue_);
      }
    }
    queue_.Shutdown();
    while (queue_.Next(&tag, &ok)) {
    }
  }

  const std::atomic<Phase>& phase_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Caller>> callers_;
  std::vector<float> latencies_;
  std::thread thread_;
};

}  // namespace

int ConnectionsFor(int callers) { return callers == 1 ? 1 : 4; }

std::vector<std::shared_ptr<grpc::Channel>> Connect(const std::string& address, int connections) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // Otherwise they share one connection.
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < connections; ++i) {
    channels.push_back(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
  }
  for (const auto& channel : channels) {
    if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(10))) {
      Fail(absl::StrCat("cannot connect to ", address));
    }
  }
  return channels;
}

Measurement MeasureLoad(const ServerProcess& server, const Load& load, const MakeCaller& make_caller) {
  const auto channels = Connect(server.address(), ConnectionsFor(load.callers));
  std::atomic<Phase> phase{Phase::kWarmUp};
  std::vector<std::unique_ptr<Group>> groups;
  for (int i = 0; i < std::min(kThreads, load.callers); ++i) groups.push_back(std::make_unique<Group>(phase));
  for (int i = 0; i < load.callers; ++i) {
    const auto connection = static_cast<size_t>(i) % channels.size();
    // Callers of one connection stay on one thread.
    groups[connection % groups.size()]->Add(make_caller(channels[connection]));
  }
  for (const auto& group : groups) group->Start();
  absl::SleepFor(load.warm_up);

  const CpuTime cpu_before = server.Cpu();
  const auto start = std::chrono::steady_clock::now();
  phase.store(Phase::kMeasure);
  absl::SleepFor(load.duration);
  phase.store(Phase::kEnd);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  const CpuTime cpu = server.Cpu() - cpu_before;

  std::vector<float> latencies;
  for (const auto& group : groups) {
    group->Join();
    latencies.insert(latencies.end(), group->latencies().begin(), group->latencies().end());
  }
  if (latencies.empty()) Fail("no call ended in the measured time");
  const auto calls = static_cast<double>(latencies.size());
  Measurement result;
  result.items_per_second = calls / elapsed.count();
  result.p50_us = Percentile(latencies, 0.50);
  result.p99_us = Percentile(latencies, 0.99);
  result.server_cpu_us = absl::ToDoubleMicroseconds(cpu.server) / calls;
  result.sandbox_cpu_us = absl::ToDoubleMicroseconds(cpu.sandboxes) / calls;
  return result;
}

}  // namespace errand::bench
