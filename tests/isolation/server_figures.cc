#include "tests/isolation/server_figures.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace errand {

int64_t ResidentBytes(pid_t pid) {
  std::ifstream statm(absl::StrCat("/proc/", pid, "/statm"));
  int64_t size = 0;
  int64_t resident = 0;
  statm >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

int64_t PrivateBytes(pid_t pid) {
  std::ifstream statm(absl::StrCat("/proc/", pid, "/statm"));
  int64_t size = 0;
  int64_t resident = 0;
  int64_t of_files = 0;
  statm >> size >> resident >> of_files;
  return (resident - of_files) * sysconf(_SC_PAGESIZE);
}

int64_t OpenDescriptors(pid_t pid) {
  const std::filesystem::directory_iterator open(absl::StrCat("/proc/", pid, "/fd"));
  return std::distance(begin(open), end(open));
}

PeakMemory::PeakMemory(pid_t pid) {
  thread_ = std::thread([this, pid] {
    while (!stop_.load()) {
      peak_.store(std::max(peak_.load(), ResidentBytes(pid)));
      absl::SleepFor(absl::Milliseconds(5));
    }
  });
}

PeakMemory::~PeakMemory() {
  stop_.store(true);
  thread_.join();
}

}  // namespace errand
