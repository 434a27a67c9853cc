#include "tests/bench/process_usage.h"

#include <time.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"

namespace errand::bench {

ProcessUsage UsageOf(pid_t pid) {
  ProcessUsage usage;
  // Finer than the ticks of 10 ms in /proc/PID/stat.
  clockid_t clock;
  timespec time;
  if (clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &time) == 0) {
    usage.cpu = absl::DurationFromTimespec(time);
  }
  std::ifstream fields(absl::StrCat("/proc/", pid, "/io"));
  std::string name;
  for (int64_t value = 0; fields >> name >> value;) {
    if (name == "wchar:") usage.written_bytes = value;
  }
  return usage;
}

}  // namespace errand::bench
