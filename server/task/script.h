#ifndef ERRAND_SERVER_TASK_SCRIPT_H_
#define ERRAND_SERVER_TASK_SCRIPT_H_

#include <cstdint>
#include <string>

namespace errand::task {

// One version of a registered script; shared, never changed. No two have the same name and version.
struct Script {
  std::string name;  // `scripts/{script}`.
  int64_t version = 0;
  std::string source;
};

// Something wrong with a source.
struct ScriptProblem {
  int line = 0;    // From 1; 0 when not known.
  int column = 0;  // The same.
  std::string message;
};

}  // namespace errand::task

#endif  // ERRAND_SERVER_TASK_SCRIPT_H_
