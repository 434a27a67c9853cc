#ifndef ERRAND_CLIENT_CLI_FLAGS_H_
#define ERRAND_CLIENT_CLI_FLAGS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/cli/arguments.h"

// Flags of one kind, and those that every verb takes. What they fill is borrowed until the command line has
// been parsed.
namespace errand::cli {

// The end of every help text.
extern const char kFooter[];

inline constexpr char kDefaultServer[] = "localhost:50051";

// Checks: empty when `text` is fine, otherwise what is wrong with it, for people.
std::string CheckTime(const std::string& text);
std::string CheckNumber(const std::string& text, int64_t minimum);
// In any case.
std::string CheckChoice(const std::string& text, const std::vector<std::string>& choices);

// More than zero.
CLI::Option* AddDuration(CLI::App& app, const char* name, absl::Duration& value, const char* description);
// Zero or more.
CLI::Option* AddDuration(CLI::App& app, const char* name, std::optional<absl::Duration>& value,
                         const char* description);

// A whole number from `minimum` up that fits into `value`.
template <class Number>
CLI::Option* AddNumber(CLI::App& app, const char* name, Number& value, int64_t minimum,
                       const char* description) {
  return app.add_option(name, value, description)
      ->check([minimum](const std::string& text) { return CheckNumber(text, minimum); })
      ->type_name("N");
}

// May be given several times. Each occurrence takes one value: "[a,b]" is a value as any other, and what
// follows is not.
CLI::Option* AddList(CLI::App& app, const char* name, std::vector<std::string>& values,
                     const char* description, const char* type);

// Every (sub)command takes these, so that they may stand anywhere and its help shows them.
void AddGlobal(CLI::App& app, Arguments& arguments);

// The values of a flag whose type, or of an operand whose name, is `type`, where only some words are.
std::vector<std::string> ChoicesOf(absl::string_view type);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_FLAGS_H_
