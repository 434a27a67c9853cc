#ifndef ERRAND_CLIENT_CLI_SCRIPT_FLAGS_H_
#define ERRAND_CLIENT_CLI_SCRIPT_FLAGS_H_

#include <cstdint>
#include <string>

namespace errand::cli {

// What `errand script` was told.
struct ScriptFlags {
  std::string name;          // `scripts/{script}`.
  int64_t version = 0;       // get: 0 for the current one.
  std::string file;          // create, validate: "-" is standard input.
  bool source_only = false;  // get.
};

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_SCRIPT_FLAGS_H_
