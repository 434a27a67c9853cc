#ifndef ERRAND_TESTS_BENCH_PROCESS_USAGE_H_
#define ERRAND_TESTS_BENCH_PROCESS_USAGE_H_

#include <sys/types.h>

#include <cstdint>

#include "absl/time/time.h"

namespace errand::bench {

// What a process, without its children, has used since it was started.
struct ProcessUsage {
  absl::Duration cpu;  // User and system.
  // Handed to write calls: to files, mostly. Not `write_bytes` of /proc/PID/io, which counts a whole folio,
  // up to 2 MiB, for each write into it.
  int64_t written_bytes = 0;
};

inline ProcessUsage operator-(const ProcessUsage& end, const ProcessUsage& start) {
  return {end.cpu - start.cpu, end.written_bytes - start.written_bytes};
}

// Nothing when the process is gone.
ProcessUsage UsageOf(pid_t pid);

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_PROCESS_USAGE_H_
