#ifndef ERRAND_CLIENT_CLI_COMMAND_WORDS_H_
#define ERRAND_CLIENT_CLI_COMMAND_WORDS_H_

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

namespace errand::cli {

// What may follow a flag, or stand as an operand.
struct ValueWords {
  enum class Kind { kNone, kText, kFile, kChoice };
  Kind kind = Kind::kNone;
  std::vector<std::string> choices;  // Of kChoice.
};

struct FlagWords {
  std::vector<std::string> names;  // "--output", "-o": as typed.
  std::string description;
  ValueWords value;
};

// The words that may follow a command.
struct CommandWords {
  std::string place;  // "" for `errand` itself, "run lua" for `errand run lua`.
  std::vector<std::pair<std::string, std::string>> verbs;  // With their descriptions.
  std::vector<FlagWords> flags;
  ValueWords operand;
};

// `root` and every command below it, taken from what parses the command line.
std::vector<CommandWords> ListCommandWords(const CLI::App& root);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_COMMAND_WORDS_H_
