#include "client/cli/arguments.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/cli/admin_arguments.h"
#include "client/cli/completion.h"
#include "client/cli/exit_code.h"
#include "client/cli/flags.h"
#include "client/cli/queue_arguments.h"
#include "client/cli/script_arguments.h"
#include "client/cli/task_arguments.h"
#include "client/cli/task_name.h"
#include "text/nearest_word.h"

namespace errand::cli {
namespace {

constexpr char kWatchFooter[] =
    "Events that the server no longer keeps are passed over, which standard error says. --queue without "
    "NAME\n"
    "prints what happens to any task of the queue from now on, until interrupted.\n\n";

constexpr char kListFooter[] =
    "Filters compare fields of tasks, joined by AND, OR, NOT and parentheses (AIP-160; OR binds closer):\n"
    "  state = FAILED AND create_time > \"2030-01-31T00:00:00Z\"    labels.team = \"a b\"    NOT handler = "
    "lua\n\n";

constexpr char kCompletionFooter[] =
    "  bash:  source <(errand completion bash)\n"
    "  zsh:   errand completion zsh > \"${fpath[1]}/_errand\"\n"
    "  fish:  errand completion fish > ~/.config/fish/completions/errand.fish\n\n";

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

// The verbs for tasks that exist.
void AddNamesVerb(CLI::App& root, const char* name, Verb verb, const char* description,
                  Arguments& arguments) {
  CLI::App& app = AddVerb(root, name, verb, description, arguments);
  app.add_option("TASK", arguments.names, "queues/QUEUE/tasks/TASK, QUEUE/TASK, or TASK; several are fine")
      ->required()
      ->type_name(" ");
  app.add_option("--queue", arguments.task.queue, "The queue of a TASK without one (default: default)")
      ->type_name("QUEUE");
  app.callback([&arguments, verb] {
    arguments.verb = verb;
    for (std::string& task : arguments.names) task = ExpandTaskName(task, arguments.task.queue);
  });
}

void AddWatch(CLI::App& root, Arguments& arguments) {
  CLI::App& app = AddVerb(root, "watch", Verb::kWatch,
                          "Print a task's events until it ends, or those of all tasks of a queue", arguments);
  app.add_option("NAME", arguments.name, "queues/QUEUE/tasks/TASK, QUEUE/TASK, or TASK")->type_name(" ");
  app.add_option("--queue", arguments.task.queue, "The queue of a NAME without one; alone: all its tasks")
      ->type_name("QUEUE");
  AddNumber(app, "--after", arguments.after, 0,
            "Start after the event of this sequence; with --queue alone, after this position (default: 0)")
      ->type_name("SEQUENCE");
  app.footer(absl::StrCat(kWatchFooter, kFooter));
  app.callback([&arguments] {
    const std::string& queue = arguments.task.queue;
    if (!arguments.name.empty()) {
      arguments.verb = Verb::kWatch;
      arguments.name = ExpandTaskName(arguments.name, queue);
      return;
    }
    if (queue.empty()) throw CLI::ValidationError("watch", "needs NAME or --queue");
    if (arguments.format == Format::kJson) {
      throw CLI::ValidationError("--output",
                                 "json has an end, and the events of a queue have none: use jsonl");
    }
    arguments.verb = Verb::kWatchQueue;
    arguments.queue.name = ExpandQueueName(queue);
  });
}

void AddList(CLI::App& root, Arguments& arguments) {
  CLI::App& app =
      AddVerb(root, "list", Verb::kList, "List the tasks of a queue, the oldest first", arguments);
  app.add_option("--queue", arguments.task.queue, "The queue's id (default: default); - for all queues")
      ->type_name("QUEUE");
  app.add_option("--filter", arguments.filter, "Which tasks (default: all)")->type_name("FILTER");
  cli::AddList(app, "--state", arguments.states, "Those in this state; may be repeated", "STATE")
      ->check([](const std::string& state) { return CheckChoice(state, ChoicesOf("STATE")); });
  AddNumber(app, "--limit", arguments.limit, 1, "The most tasks to list (default: all)");
  app.footer(absl::StrCat(kListFooter, kFooter));
  app.callback([&arguments] {
    arguments.verb = Verb::kList;
    const std::string& queue = arguments.task.queue;
    arguments.queue.name = ExpandQueueName(queue.empty() ? "default" : queue);
  });
}

void AddCompletion(CLI::App& root, Arguments& arguments) {
  CLI::App& app = AddVerb(root, "completion", Verb::kCompletion,
                          "Print a script that makes a shell complete verbs and flags", arguments);
  app.add_option("SHELL", arguments.shell, "bash, zsh or fish")
      ->required()
      ->check([](const std::string& shell) { return CheckChoice(shell, ChoicesOf("SHELL")); })
      ->type_name(" ");
  app.footer(absl::StrCat(kCompletionFooter, kFooter));
}

// What is said of a word that the command line may not have; empty where `word` is none of those.
std::string DescribeUnknown(const CLI::App& app, const std::string& word) {
  std::vector<std::string> known;
  std::string what;
  if (absl::StartsWith(word, "-")) {
    what = absl::StrCat("there is no flag ", word.substr(0, word.find('=')));
    for (const CLI::Option* option : app.get_options()) {
      for (const std::string& name : option->get_lnames()) known.push_back(absl::StrCat("--", name));
    }
  } else {
    for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
      known.push_back(verb->get_name());
    }
    if (known.empty()) return "";
    what = absl::StrCat("there is no command '", word, "'");
  }
  const std::string nearest = text::NearestWord(word.substr(0, word.find('=')), known);
  return nearest.empty() ? what : absl::StrCat(what, "; did you mean '", nearest, "'?");
}

int ReportUsage(const CLI::App& root, std::string problem) {
  // The subcommand that was being parsed knows best, unless there is a word that nobody knows: that says more
  // than what is missing because of it.
  const CLI::App* app = &root;
  std::string command = "errand";
  std::string unknown;
  while (true) {
    for (const std::string& word : app->remaining()) {
      if (unknown.empty()) unknown = DescribeUnknown(*app, word);
    }
    if (app->get_subcommands().empty()) break;
    app = app->get_subcommands().front();
    absl::StrAppend(&command, " ", app->get_name());
  }
  if (!unknown.empty()) problem = unknown;
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
  AddRun(root, arguments);
  AddSubmit(root, arguments);
  AddNameVerb(root, "get", Verb::kGet, "Show a task", arguments);
  AddList(root, arguments);
  AddNameVerb(root, "wait", Verb::kWait, "Wait until a task ends, and show it", arguments);
  AddWatch(root, arguments);
  AddNameVerb(root, "cancel", Verb::kCancel, "Cancel a task", arguments)
      .add_flag("--descendants", arguments.descendants,
                "All the tasks as well that its script created, and theirs");
  AddNamesVerb(root, "retry", Verb::kRetry, "Put tasks that failed, expired or were cancelled back",
               arguments);
  AddNamesVerb(root, "delete", Verb::kDelete, "Forget tasks that have ended", arguments);
  AddQueue(root, arguments);
  AddScript(root, arguments);
  AddAdmin(root, arguments);
  AddVerb(root, "health", Verb::kHealth, "Ask whether the server takes calls", arguments)
      .add_option("--service", arguments.service, "Of one service, errand.v1.Tasks for example")
      ->type_name("NAME");
  AddCompletion(root, arguments);

  try {
    root.parse(argc, argv);
  } catch (const CLI::Success& wanted) {  // Help or version.
    return root.exit(wanted) == 0 ? kDone : kUsage;
  } catch (const CLI::ParseError& error) {
    return ReportUsage(root, error.what());
  }
  if (arguments.verb == Verb::kCompletion) {  // Here, where the flags are known.
    std::fputs(CompletionScript(root, arguments.shell).c_str(), stdout);
    return kDone;
  }
  return std::nullopt;
}

}  // namespace errand::cli
