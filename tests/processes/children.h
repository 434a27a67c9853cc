#ifndef ERRAND_TESTS_PROCESSES_CHILDREN_H_
#define ERRAND_TESTS_PROCESSES_CHILDREN_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace errand {

// This process's living children that run `command`, of at most 15 bytes.
std::vector<pid_t> ChildrenNamed(const std::string& command);

}  // namespace errand

#endif  // ERRAND_TESTS_PROCESSES_CHILDREN_H_
