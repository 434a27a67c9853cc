#ifndef ERRAND_TESTS_PROCESSES_CHILDREN_H_
#define ERRAND_TESTS_PROCESSES_CHILDREN_H_

#include <sys/types.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace errand {

// The living children of a process, of this one unless told, that run `command`, of at most 15 bytes.
std::vector<pid_t> ChildrenNamed(const std::string& command, pid_t of = getpid());

}  // namespace errand

#endif  // ERRAND_TESTS_PROCESSES_CHILDREN_H_
