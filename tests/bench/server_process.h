#ifndef ERRAND_TESTS_BENCH_SERVER_PROCESS_H_
#define ERRAND_TESTS_BENCH_SERVER_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace errand::bench {

// CPU time, user and system.
struct CpuTime {
  absl::Duration server;
  absl::Duration sandboxes;  // Of all living processes below the server.
};

inline CpuTime operator-(const CpuTime& end, const CpuTime& start) {
  return {end.server - start.server, end.sandboxes - start.sandboxes};
}

// A server under measurement, as a process of its own. It must print `listening on HOST:PORT` first. It is
// killed by the destructor, and when the bench dies: what it holds in memory is of no use to anybody. Make
// it on the main thread.
class ServerProcess {
 public:
  // Starts `command` and waits until it listens.
  explicit ServerProcess(const std::vector<std::string>& command);
  ~ServerProcess();

  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const std::string& address() const { return address_; }

  // What it has used since it was started.
  CpuTime Cpu() const;

  // Its resident memory.
  int64_t ResidentBytes() const;

 private:
  pid_t pid_;
  std::string address_;
};

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_SERVER_PROCESS_H_
