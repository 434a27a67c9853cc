#include "client/cli/script_arguments.h"

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/flags.h"
#include "client/cli/task_name.h"

namespace errand::cli {
namespace {

constexpr char kCreateFooter[] =
    "A script that exists gets a new version. Tasks name it with --script=NAME, and run the version that "
    "was\n"
    "current when they were created. What does not compile is said as FILE:LINE: MESSAGE, or\n"
    "FILE:LINE:COLUMN: MESSAGE, on standard error.\n\n";

constexpr char kGetFooter[] =
    "NAME@VERSION is an earlier version; the server keeps one as long as a task refers to it.\n\n";

constexpr char kValidateFooter[] =
    "Problems go to standard output as FILE:LINE: MESSAGE, or FILE:LINE:COLUMN: MESSAGE; then the exit code "
    "is\n"
    "1.\n\n";

CLI::App& AddVerb(CLI::App& parent, const char* name, Verb verb, const char* description, const char* footer,
                  Arguments& arguments) {
  CLI::App& app = *parent.add_subcommand(name, description);
  AddGlobal(app, arguments);
  app.footer(absl::StrCat(footer, kFooter));
  app.callback([&arguments, verb] {
    arguments.verb = verb;
    arguments.script.name = ExpandScriptName(arguments.script.name);
  });
  return app;
}

void AddName(CLI::App& app, ScriptFlags& script) {
  app.add_option("NAME", script.name, "The script's id, or scripts/NAME")->required()->type_name(" ");
}

void AddFile(CLI::App& app, ScriptFlags& script) {
  app.add_option("FILE", script.file, "The Lua 5.4 source; - for standard input")->required()->type_name(" ");
}

// Takes "@3" off the name.
void SplitVersion(ScriptFlags& script) {
  const size_t at = script.name.find('@');
  if (at == std::string::npos) return;
  if (!absl::SimpleAtoi(script.name.substr(at + 1), &script.version) || script.version < 1) {
    throw CLI::ValidationError("NAME", absl::StrCat("'", script.name, "' is not NAME or NAME@VERSION"));
  }
  script.name.resize(at);
}

}  // namespace

void AddScript(CLI::App& root, Arguments& arguments) {
  CLI::App& app = *root.add_subcommand("script", "Register Lua scripts that tasks name");
  AddGlobal(app, arguments);
  app.footer(kFooter);
  app.require_subcommand(1);
  ScriptFlags& script = arguments.script;

  CLI::App& create = AddVerb(app, "create", Verb::kScriptCreate, "Register a script, or a new version of one",
                             kCreateFooter, arguments);
  AddName(create, script);
  AddFile(create, script);

  CLI::App& get = AddVerb(app, "get", Verb::kScriptGet, "Show a script", kGetFooter, arguments);
  AddName(get, script);
  get.add_flag("--source", script.source_only, "Print the source alone, byte for byte");
  get.callback([&arguments] {
    arguments.verb = Verb::kScriptGet;
    SplitVersion(arguments.script);
    arguments.script.name = ExpandScriptName(arguments.script.name);
  });

  AddVerb(app, "list", Verb::kScriptList, "List the scripts", "", arguments);
  AddName(AddVerb(app, "delete", Verb::kScriptDelete, "Forget a script; tasks keep the version they have", "",
                  arguments),
          script);
  AddFile(AddVerb(app, "validate", Verb::kScriptValidate, "Say whether a script compiles", kValidateFooter,
                  arguments),
          script);
}

}  // namespace errand::cli
