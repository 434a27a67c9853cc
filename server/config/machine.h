#ifndef ERRAND_SERVER_CONFIG_MACHINE_H_
#define ERRAND_SERVER_CONFIG_MACHINE_H_

#include <cstdint>
#include <string>

namespace errand::config {

// What this process may use of the machine that it runs on.
struct Machine {
  // The memory of the machine, or of the cgroup when that allows less.
  int64_t memory_bytes = 0;
  // The CPUs that this process may run on, or the cgroup's CPU quota rounded up when that is less; at
  // least 1.
  int cpus = 1;
  // How many descriptors this process may have open once it has raised its soft limit to the hard one.
  int64_t descriptors = 1024;
};

// Reads /proc and the cgroup file systems (v2, v1, or both side by side), below the folder `root`: "" but in
// tests. The limits of every cgroup from this process's own to the highest that can be seen count, since the
// kernel applies them all. What cannot be read limits nothing.
Machine ReadMachine(const std::string& root);

}  // namespace errand::config

#endif  // ERRAND_SERVER_CONFIG_MACHINE_H_
