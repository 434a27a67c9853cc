#ifndef ERRAND_TESTS_ISOLATION_CANARY_H_
#define ERRAND_TESTS_ISOLATION_CANARY_H_

#include <grpcpp/channel.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "tests/end_to_end/server_process.h"

namespace errand {

// An innocent client beside a hostile one: again and again it creates a task in a queue of its own and looks
// it up, or runs it, and every few times it does so over a connection that it makes for that. All must be
// answered right; how long that took is told, not judged.
class Canary {
 public:
  enum class Work { kCreates, kRuns };

  explicit Canary(const ServerProcess& server, Work work = Work::kCreates);
  ~Canary();

  // Ends it once it has made a few connections. What went wrong becomes failures of the test; the figures are
  // printed behind `name`.
  void Finish(const std::string& name);

 private:
  void Run();
  // What went wrong, or nothing.
  std::string Ask(v1::Tasks::Stub& tasks);

  const ServerProcess& server_;
  const Work work_;
  const std::shared_ptr<grpc::Channel> standing_;  // Connected before anything hostile begins.
  std::atomic<bool> stop_{false};
  std::atomic<int> connections_{0};            // Made by now.
  std::vector<absl::Duration> latencies_;      // Of calls over a standing connection.
  std::vector<absl::Duration> new_latencies_;  // With the connecting.
  std::vector<std::string> failures_;
  std::thread thread_;  // Owns the three above while it runs.
};

}  // namespace errand

#endif  // ERRAND_TESTS_ISOLATION_CANARY_H_
