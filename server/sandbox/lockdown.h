#ifndef ERRAND_SERVER_SANDBOX_LOCKDOWN_H_
#define ERRAND_SERVER_SANDBOX_LOCKDOWN_H_

#include <sys/types.h>

#include <string>

namespace errand::sandbox {

// Takes from a process, for good, everything but computing and talking over the descriptors that it has open.
// Needs no privilege and works under a container's default seccomp profile. Both return the empty string, or
// what did not work: the process must then not run scripts.

// What can be done ahead of the fork: the calling process cannot be read by others, leaves no core and no
// files, gains no privilege, dies with its parent thread, and has the system call filter ready. `parent` is
// the process that this one must not outlive.
std::string PrepareLockDown(pid_t parent);

// In a child of a process that has prepared it: it dies with the thread that is its parent, cannot open,
// connect, start or map anything executable, and is killed with SIGSYS when it tries. Before a second thread
// is started. `parent` as above: of a child that was forked with CLONE_PARENT the same process.
std::string LockDown(pid_t parent);

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_LOCKDOWN_H_
