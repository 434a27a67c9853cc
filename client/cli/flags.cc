#include "client/cli/flags.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "text/nearest_word.h"

namespace errand::cli {
namespace {

constexpr char kVersion[] = "errand " ERRAND_VERSION;

// In the order of enum Format.
constexpr const char* kFormats[] = {"table", "json", "jsonl"};

std::string CheckDuration(const std::string& text, bool may_be_zero) {
  absl::Duration duration;
  if (absl::ParseDuration(text, &duration) && duration >= absl::ZeroDuration() &&
      duration < absl::InfiniteDuration() && (may_be_zero || duration > absl::ZeroDuration())) {
    return "";
  }
  return absl::StrCat("'", text, "' is not a duration ",
                      may_be_zero ? "of zero or more" : "of more than zero", " such as 5s, 1m30s or 200ms");
}

}  // namespace

const char kFooter[] =
    "Data goes to standard output, everything else to standard error.\n"
    "Exit codes: 0 done, 1 the task failed, was cancelled or expired, 2 wrong usage or request,\n"
    "3 not found, 4 server not available, 5 timed out, 130 interrupted.\n"
    "Environment: ERRAND_SERVER (as --server), NO_COLOR (no colours).";

std::string CheckTime(const std::string& text) {
  absl::Time time;
  std::string error;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, &error)) return "";
  return absl::StrCat("'", text, "' is not a time such as 2030-01-31T08:00:00Z");
}

std::string CheckNumber(const std::string& text, int64_t minimum) {
  int64_t number = 0;
  if (absl::SimpleAtoi(text, &number) && number >= minimum) return "";
  return absl::StrCat("'", text, "' is not a number from ", minimum, " up");
}

std::string CheckChoice(const std::string& text, const std::vector<std::string>& choices) {
  if (absl::c_linear_search(choices, absl::AsciiStrToLower(text))) return "";
  const std::string nearest = errand::text::NearestWord(text, choices);
  return absl::StrCat("'", text, "' is not one of ", absl::StrJoin(choices, ", "),
                      nearest.empty() ? "" : absl::StrCat("; did you mean '", nearest, "'?"));
}

CLI::Option* AddDuration(CLI::App& app, const char* name, absl::Duration& value, const char* description) {
  return app
      .add_option_function<std::string>(
          name, [&value](const std::string& text) { absl::ParseDuration(text, &value); }, description)
      ->check([](const std::string& text) { return CheckDuration(text, false); })
      ->type_name("DURATION");
}

CLI::Option* AddDuration(CLI::App& app, const char* name, std::optional<absl::Duration>& value,
                         const char* description) {
  return app
      .add_option_function<std::string>(
          name, [&value](const std::string& text) { absl::ParseDuration(text, &value.emplace()); },
          description)
      ->check([](const std::string& text) { return CheckDuration(text, true); })
      ->type_name("DURATION");
}

CLI::Option* AddList(CLI::App& app, const char* name, std::vector<std::string>& values,
                     const char* description, const char* type) {
  return app.add_option(name, values, description)->allow_extra_args(false)->type_name(type);
}

void AddGlobal(CLI::App& app, Arguments& arguments) {
  app.add_option("--server", arguments.server,
                 absl::StrCat("Where the server is (default: ERRAND_SERVER or ", kDefaultServer, ")"))
      ->type_name("HOST:PORT");
  AddDuration(app, "--timeout", arguments.timeout, "How long to wait for the answer or the task's end");
  AddDuration(app, "--retry-for", arguments.retry_for,
              "How long to put up with a server that is away (default: 5s)");
  app.add_option_function<std::string>(
         "-o,--output",
         [&arguments](const std::string& name) {
           const auto* found =
               std::find(std::begin(kFormats), std::end(kFormats), absl::AsciiStrToLower(name));
           arguments.format = static_cast<Format>(found - std::begin(kFormats));
         },
         "What to print: table (default), json or jsonl")
      ->check([](const std::string& name) { return CheckChoice(name, ChoicesOf("FORMAT")); })
      ->type_name("FORMAT");
  app.add_flag("-q,--quiet", arguments.quiet, "Nothing but errors on standard error");
  app.set_version_flag("--version", kVersion, "Print the version and exit");
  app.set_help_flag("-h,--help", "Print this help and exit");
}

std::vector<std::string> ChoicesOf(absl::string_view type) {
  if (type == "FORMAT") return {std::begin(kFormats), std::end(kFormats)};
  if (type == "SHELL") return {"bash", "zsh", "fish"};
  if (type == "STATE") {
    return {"scheduled", "queued", "running", "succeeded", "failed", "cancelled", "expired"};
  }
  return {};
}

}  // namespace errand::cli
