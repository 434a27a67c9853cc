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

// A server under measurement, as a process of its own. It is killed by the destructor, and when the bench
// dies: what it holds in memory is of no use to anybody. Make it on the main thread.
class ServerProcess {
 public:
  // Starts `command` and waits until it listens, which it must say first: `listening on HOST:PORT`.
  explicit ServerProcess(const std::vector<std::string>& command);
  // The same for a server that says nothing of use, and was told to listen on `port` of 127.0.0.1.
  ServerProcess(const std::vector<std::string>& command, int port);
  ~ServerProcess();

  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const std::string& address() const { return address_; }

  // What it has used since it was started.
  CpuTime Cpu() const;

  // What it, without its children, has handed to write calls since then.
  int64_t WrittenBytes() const;

  // Its resident memory.
  int64_t ResidentBytes() const;

 private:
  // The read end of a pipe from its standard output, or -1 if nobody wants to hear it.
  int Start(const std::vector<std::string>& command, bool listen);

  pid_t pid_;
  std::string address_;
};

// A port of 127.0.0.1 on which nobody listens.
int FreePort();

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_SERVER_PROCESS_H_
