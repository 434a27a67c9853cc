#include "client/cli/command_words.h"

#include "absl/strings/str_cat.h"
#include "client/cli/flags.h"

namespace errand::cli {
namespace {

ValueWords ValueOf(const std::string& type) {
  ValueWords value;
  value.kind = type == "FILE" ? ValueWords::Kind::kFile : ValueWords::Kind::kText;
  value.choices = ChoicesOf(type);
  if (!value.choices.empty()) value.kind = ValueWords::Kind::kChoice;
  return value;
}

void Collect(const CLI::App& app, const std::string& place, std::vector<CommandWords>& commands) {
  CommandWords words;
  words.place = place;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      words.operand = ValueOf(option->get_name());
      continue;
    }
    FlagWords flag;
    for (const std::string& name : option->get_lnames()) flag.names.push_back(absl::StrCat("--", name));
    for (const std::string& name : option->get_snames()) flag.names.push_back(absl::StrCat("-", name));
    flag.description = option->get_description();
    if (option->get_items_expected_max() > 0) flag.value = ValueOf(option->get_type_name());
    words.flags.push_back(std::move(flag));
  }
  const auto verbs = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* verb : verbs) words.verbs.emplace_back(verb->get_name(), verb->get_description());
  commands.push_back(std::move(words));
  for (const CLI::App* verb : verbs) {
    Collect(*verb, absl::StrCat(place, place.empty() ? "" : " ", verb->get_name()), commands);
  }
}

}  // namespace

std::vector<CommandWords> ListCommandWords(const CLI::App& root) {
  std::vector<CommandWords> commands;
  Collect(root, "", commands);
  return commands;
}

}  // namespace errand::cli
