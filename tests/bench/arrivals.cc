#include "tests/bench/arrivals.h"

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/failure.h"

namespace errand::bench {

Measurement MeasureArrivals(const ServerProcess& server, const Arrivals& arrivals,
                            const MakeCaller& make_caller) {
  const auto channels = Connect(server.address(), arrivals.connections);
  const auto warm_up_calls =
      static_cast<size_t>(arrivals.per_second * absl::ToDoubleSeconds(arrivals.warm_up));
  const auto calls =
      warm_up_calls + static_cast<size_t>(arrivals.per_second * absl::ToDoubleSeconds(arrivals.duration));
  std::vector<std::unique_ptr<Caller>> callers;
  for (size_t i = 0; i < calls; ++i) callers.push_back(make_caller(channels[i % channels.size()]));

  grpc::CompletionQueue queue;
  std::thread receiver([&queue] {
    void* tag;
    bool ok;
    while (queue.Next(&tag, &ok)) {
      auto* caller = static_cast<Caller*>(tag);
      if (caller->OnComplete(ok) && !caller->status().ok()) {
        Fail(absl::StrCat("a call failed: ", caller->status().error_message()));
      }
    }
  });
  // This thread waits for the clock only, never for an answer: so a call's time counts from when it was
  // really sent, and a late wake-up of ours is not blamed on the server.
  const auto interval = std::chrono::nanoseconds(1'000'000'000 / arrivals.per_second);
  auto next = std::chrono::steady_clock::now();
  CpuTime cpu_before;
  for (size_t i = 0; i < calls; ++i, next += interval) {
    std::this_thread::sleep_until(next);
    if (i == warm_up_calls) cpu_before = server.Cpu();
    callers[i]->Start(&queue);
  }
  const CpuTime cpu = server.Cpu() - cpu_before;
  queue.Shutdown();  // What was started is still answered.
  receiver.join();

  std::vector<float> latencies;
  for (size_t i = warm_up_calls; i < calls; ++i) latencies.push_back(callers[i]->latency().count());
  const auto measured = static_cast<double>(latencies.size());
  Measurement result;
  result.items_per_second = arrivals.per_second;
  result.p50_us = Percentile(latencies, 0.50);
  result.p99_us = Percentile(latencies, 0.99);
  result.server_cpu_us = absl::ToDoubleMicroseconds(cpu.server) / measured;
  result.sandbox_cpu_us = absl::ToDoubleMicroseconds(cpu.sandboxes) / measured;
  return result;
}

}  // namespace errand::bench
