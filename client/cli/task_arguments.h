#ifndef ERRAND_CLIENT_CLI_TASK_ARGUMENTS_H_
#define ERRAND_CLIENT_CLI_TASK_ARGUMENTS_H_

#include <CLI/CLI.hpp>

#include "client/cli/arguments.h"

namespace errand::cli {

// `errand run` and `errand submit`: what to create. `arguments` is borrowed until the command line has been
// parsed.
void AddRun(CLI::App& root, Arguments& arguments);
void AddSubmit(CLI::App& root, Arguments& arguments);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_TASK_ARGUMENTS_H_
