#ifndef ERRAND_CLIENT_CLI_COMPLETION_H_
#define ERRAND_CLIENT_CLI_COMPLETION_H_

#include <CLI/CLI.hpp>
#include <string>

namespace errand::cli {

// A script that makes `shell` (bash, zsh or fish) complete the verbs and flags of `root`, the values of flags
// that take one of some words, and names of files. It asks no server.
std::string CompletionScript(const CLI::App& root, const std::string& shell);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_COMPLETION_H_
