#include "client/cli/arguments.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/cli/exit_code.h"
#include "client/cli/task_name.h"

namespace errand::cli {
namespace {

constexpr char kVersion[] = "errand " ERRAND_VERSION;
constexpr char kDefaultServer[] = "localhost:50051";

constexpr char kFooter[] =
    "Data goes to standard output, everything else to standard error.\n"
    "Exit codes: 0 done, 1 the task failed, was cancelled or expired, 2 wrong usage or request,\n"
    "3 not found, 4 server not available, 5 timed out, 130 interrupted.\n"
    "Environment: ERRAND_SERVER (as --server), NO_COLOR (no colours).";

constexpr char kRunFooter[] =
    "With -o table (the default) standard output gets the result alone, byte for byte, so that it can be\n"
    "piped; events, what the script prints, and log lines go to standard error as they come. With -o jsonl\n"
    "standard output gets every event as a line of JSON, with -o json the ended task.\n\n";

std::string CheckDuration(const std::string& text) {
  absl::Duration duration;
  if (absl::ParseDuration(text, &duration) && duration > absl::ZeroDuration() &&
      duration < absl::InfiniteDuration()) {
    return "";
  }
  return absl::StrCat("'", text, "' is not a duration of more than zero such as 5s, 1m30s or 200ms");
}

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

CLI::Option* AddDuration(CLI::App& app, const char* name, absl::Duration& value, const char* description) {
  return app
      .add_option_function<std::string>(
          name, [&value](const std::string& text) { absl::ParseDuration(text, &value); }, description)
      ->check(CheckDuration)
      ->type_name("DURATION");
}

// Each occurrence takes one value: "[a,b]" is a value as any other, and what follows is not.
void AddList(CLI::App& app, const char* name, std::vector<std::string>& values, const char* description,
             const char* type) {
  app.add_option(name, values, description)->allow_extra_args(false)->type_name(type);
}

// Every (sub)command takes these, so that they may stand anywhere and its help shows them.
void AddGlobal(CLI::App& app, Arguments& arguments) {
  static const std::map<std::string, Format> kFormats = {
      {"table", Format::kTable}, {"json", Format::kJson}, {"jsonl", Format::kJsonl}};
  app.add_option("--server", arguments.server,
                 absl::StrCat("Where the server is (default: ERRAND_SERVER or ", kDefaultServer, ")"))
      ->type_name("HOST:PORT");
  AddDuration(app, "--timeout", arguments.timeout, "How long to wait for the answer or the task's end");
  AddDuration(app, "--retry-for", arguments.retry_for,
              "How long to put up with a server that is away (default: 5s)");
  app.add_option_function<std::string>(
         "-o,--output", [&arguments](const std::string& name) { arguments.format = kFormats.at(name); },
         "What to print: table (default), json or jsonl")
      ->check([](const std::string& name) {
        return kFormats.count(name) > 0 ? "" : absl::StrCat("'", name, "' is not one of table, json, jsonl");
      })
      ->type_name("FORMAT");
  app.add_flag("-q,--quiet", arguments.quiet, "Nothing but errors on standard error");
  app.set_version_flag("--version", kVersion, "Print the version and exit");
  app.set_help_flag("-h,--help", "Print this help and exit");
}

void AddPlace(CLI::App& app, TaskFlags& task) {
  app.add_option("--queue", task.queue, "The queue's id (default: default)")->type_name("QUEUE");
  app.add_option("--id", task.id, "The task's id (default: the server chooses)")->type_name("ID");
  app.add_option("--request-id", task.request_id, "Makes the command safe to repeat (default: a new UUID)")
      ->type_name("ID");
}

void AddTaskFlags(CLI::App& app, TaskFlags& task) {
  AddPlace(app, task);
  AddList(app, "--label", task.labels, "For your own use; may be repeated", "KEY=VALUE");
  app.add_option("--priority", task.priority, "0 to 9, 9 starts first (default: 0)")->type_name("N");
  CLI::Option* at = app.add_option("--at", task.at, "Not before this time")->check(CheckTime);
  at->type_name("RFC3339");
  AddDuration(app, "--delay", task.delay, "Not before this time from now")->excludes(at);
  AddDuration(app, "--run-timeout", task.run_timeout, "The longest that one attempt may take");
  app.add_option("--max-attempts", task.max_attempts, "Attempts in all (default: 1)")
      ->check([](const std::string& text) { return CheckNumber(text, 1); })
      ->type_name("N");
}

void AddLua(CLI::App& parent, Arguments& arguments) {
  TaskFlags& task = arguments.task;
  CLI::App& app = *parent.add_subcommand("lua", "A Lua 5.4 script");
  app.add_option("FILE", task.script_file, "The script; - for standard input")->required()->type_name(" ");
  app.add_option("--payload", task.payload,
                 "The script's input, task.payload: the text itself (JSON for example), @FILE for a file's "
                 "bytes, @- for standard input, @@TEXT for a text that starts with @")
      ->type_name("JSON|@FILE");
  app.add_option("--memory", task.memory_bytes, "The most memory its data may take; 64MiB is fine too")
      ->transform(CLI::AsSizeValue(false).description(""))
      ->type_name("BYTES");
  AddTaskFlags(app, task);
  AddGlobal(app, arguments);
  app.footer(arguments.verb == Verb::kRun ? absl::StrCat(kRunFooter, kFooter) : kFooter);
  app.callback([&task] { task.kind = TaskFlags::Kind::kLua; });
}

void AddEmail(CLI::App& parent, Arguments& arguments) {
  TaskFlags& task = arguments.task;
  CLI::App& app = *parent.add_subcommand("email", "An e-mail");
  app.add_option("--from", task.from, "The author")->type_name("ADDRESS");
  AddList(app, "--to", task.to, "A recipient; may be repeated", "ADDRESS");
  AddList(app, "--cc", task.cc, "A recipient of a copy; may be repeated", "ADDRESS");
  AddList(app, "--bcc", task.bcc, "A recipient that no header names; may be repeated", "ADDRESS");
  app.add_option("--reply-to", task.reply_to, "Where answers go")->type_name("ADDRESS");
  app.add_option("--subject", task.subject, "The subject")->type_name("TEXT");
  app.add_option("--text", task.text, "The plain text; @FILE, @- and @@TEXT as for --html")
      ->type_name("TEXT|@FILE");
  app.add_option("--html", task.html,
                 "The HTML text; @FILE for a file's text, @- for standard input, @@TEXT for a text that "
                 "starts with @")
      ->type_name("HTML|@FILE");
  AddList(app, "--header", task.headers, "A further header; may be repeated", "'NAME: VALUE'");
  AddList(app, "--attach", task.attachments, "A file to go with it; may be repeated", "FILE");
  AddTaskFlags(app, task);
  AddGlobal(app, arguments);
  app.footer(kFooter);
  app.callback([&task] { task.kind = TaskFlags::Kind::kEmail; });
}

// `errand run` and `errand submit`: a kind of task, or --json.
void AddCreator(CLI::App& root, const char* name, Verb verb, const char* description, Arguments& arguments) {
  TaskFlags& task = arguments.task;
  CLI::App& app = *root.add_subcommand(name, description);
  CLI::Option* json = app.add_option("--json", task.json_file,
                                     "A Task or CreateTaskRequest as proto3 JSON; - for standard input");
  json->type_name("FILE");
  AddPlace(app, task);
  AddGlobal(app, arguments);
  app.footer(verb == Verb::kRun ? absl::StrCat(kRunFooter, kFooter) : kFooter);
  app.require_subcommand(0, 1);
  arguments.verb = verb;  // For the footers.
  AddLua(app, arguments);
  AddEmail(app, arguments);
  app.final_callback([&app, &arguments, json, name, verb] {
    arguments.verb = verb;
    const bool has_kind = !app.get_subcommands().empty();
    if (json->count() > 0 && has_kind) throw CLI::ValidationError("--json", "does not go with lua or email");
    if (json->count() > 0) {
      arguments.task.kind = TaskFlags::Kind::kJson;
    } else if (!has_kind) {
      throw CLI::ValidationError(name, "needs lua, email or --json");
    }
  });
}

CLI::App& AddVerb(CLI::App& root, const char* name, Verb verb, const char* description,
                  Arguments& arguments) {
  CLI::App& app = *root.add_subcommand(name, description);
  AddGlobal(app, arguments);
  app.footer(kFooter);
  app.callback([&arguments, verb] { arguments.verb = verb; });
  return app;
}

// The verbs for a task that exists. NAME may be short.
CLI::App& AddNameVerb(CLI::App& root, const char* name, Verb verb, const char* description,
                      Arguments& arguments) {
  CLI::App& app = AddVerb(root, name, verb, description, arguments);
  app.add_option("NAME", arguments.name, "queues/QUEUE/tasks/TASK, QUEUE/TASK, or TASK")
      ->required()
      ->type_name(" ");
  app.add_option("--queue", arguments.task.queue, "The queue of a NAME without one (default: default)")
      ->type_name("QUEUE");
  app.callback([&arguments, verb] {
    arguments.verb = verb;
    arguments.name = ExpandTaskName(arguments.name, arguments.task.queue);
  });
  return app;
}

int ReportUsage(const CLI::App& root, const std::string& problem) {
  // The subcommand that was being parsed knows best.
  const CLI::App* app = &root;
  std::string command = "errand";
  while (!app->get_subcommands().empty()) {
    app = app->get_subcommands().front();
    absl::StrAppend(&command, " ", app->get_name());
  }
  std::fprintf(stderr, "errand: wrong usage (%s)\nTry '%s --help'.\n",
               absl::StrReplaceAll(problem, {{"\n", " "}}).c_str(), command.c_str());
  return kUsage;
}

}  // namespace

std::optional<int> ParseArguments(int argc, char** argv, Arguments& arguments) {
  const char* server = std::getenv("ERRAND_SERVER");
  arguments.server = server != nullptr && *server != '\0' ? server : kDefaultServer;

  CLI::App root("Hands scripts and e-mails to an Errand server and shows what becomes of them.", "errand");
  AddGlobal(root, arguments);
  root.require_subcommand(1);
  root.footer(kFooter);
  AddCreator(root, "run", Verb::kRun, "Create a task and watch it until it ends", arguments);
  AddCreator(root, "submit", Verb::kSubmit, "Create a task and print its name at once", arguments);
  AddNameVerb(root, "get", Verb::kGet, "Show a task", arguments);
  AddNameVerb(root, "wait", Verb::kWait, "Wait until a task ends, and show it", arguments);
  AddNameVerb(root, "watch", Verb::kWatch, "Print a task's events until it ends", arguments)
      .add_option("--after", arguments.after, "Start after the event of this sequence (default: 0)")
      ->check([](const std::string& text) { return CheckNumber(text, 0); })
      ->type_name("SEQUENCE");
  AddNameVerb(root, "cancel", Verb::kCancel, "Cancel a task", arguments);
  AddVerb(root, "health", Verb::kHealth, "Ask whether the server takes calls", arguments)
      .add_option("--service", arguments.service, "Of one service, errand.v1.Tasks for example")
      ->type_name("NAME");

  try {
    root.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // Help or version.
    return root.exit(wanted) == 0 ? kDone : kUsage;
  } catch (const CLI::ParseError& error) {
    return ReportUsage(root, error.what());
  }
  return std::nullopt;
}

}  // namespace errand::cli
