#ifndef ERRAND_SERVER_SANDBOX_LOCKDOWN_H_
#define ERRAND_SERVER_SANDBOX_LOCKDOWN_H_

#include <sys/types.h>

#include <string>

namespace errand::sandbox {

// Takes from the calling process, for good, everything but computing and talking over the descriptors that
// it has open: it dies with its parent thread, cannot be read by other processes, cannot open, connect,
// start or map anything executable, and is killed with SIGSYS when it tries.
//
// Needs no privilege and works under a container's default seccomp profile. Call it before a second thread
// is started. `parent` is the process that this one must not outlive.
//
// Returns the empty string, or what did not work: the process must then not run scripts.
std::string LockDown(pid_t parent);

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_LOCKDOWN_H_
