#ifndef ERRAND_CLIENT_CLI_ADMIN_ARGUMENTS_H_
#define ERRAND_CLIENT_CLI_ADMIN_ARGUMENTS_H_

#include <CLI/CLI.hpp>

#include "client/cli/arguments.h"

namespace errand::cli {

// `errand admin` and its verbs. `arguments` is borrowed until the command line has been parsed.
void AddAdmin(CLI::App& root, Arguments& arguments);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_ADMIN_ARGUMENTS_H_
