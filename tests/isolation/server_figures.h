#ifndef ERRAND_TESTS_ISOLATION_SERVER_FIGURES_H_
#define ERRAND_TESTS_ISOLATION_SERVER_FIGURES_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <thread>

namespace errand {

// What a process takes of the machine, in bytes and descriptors.
int64_t ResidentBytes(pid_t pid);
int64_t PrivateBytes(pid_t pid);  // Without what is of files.
int64_t OpenDescriptors(pid_t pid);

// Looks at a process's memory every few milliseconds, and keeps the most that it took.
class PeakMemory {
 public:
  explicit PeakMemory(pid_t pid);
  ~PeakMemory();

  int64_t bytes() const { return peak_.load(); }

 private:
  std::atomic<int64_t> peak_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace errand

#endif  // ERRAND_TESTS_ISOLATION_SERVER_FIGURES_H_
