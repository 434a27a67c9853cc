#include "client/cli/queue_arguments.h"

#include <cmath>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/flags.h"
#include "client/cli/queue_request.h"
#include "client/cli/task_name.h"

namespace errand::cli {
namespace {

constexpr char kSetFooter[] =
    "Settings that are not given stay as they are; 0 takes one back to its default. A queue that does not\n"
    "exist comes into being.\n\n";

// "10/s", "90/m", "5/h"; a number alone is a second's.
bool ParseRate(const std::string& text, double& tasks_per_second) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('/', 1));
  const auto& [number, unit] = parts;
  double per = 1;
  if (unit == "m") {
    per = 60;
  } else if (unit == "h") {
    per = 3600;
  } else if (unit != "s" && text != number) {
    return false;
  }
  if (!absl::SimpleAtod(number, &tasks_per_second)) return false;
  tasks_per_second /= per;
  return std::isfinite(tasks_per_second) && tasks_per_second >= 0;
}

void AddRate(CLI::App& app, QueueFlags& queue) {
  app.add_option_function<std::string>(
         "--rate", [&queue](const std::string& text) { ParseRate(text, queue.rate.emplace()); },
         "How many tasks may start in a second, minute or hour: 10/s, 90/m, 5/h; 0 for any number")
      ->check([](const std::string& text) {
        double rate;
        return ParseRate(text, rate) ? ""
                                     : absl::StrCat("'", text, "' is not a rate such as 10/s, 90/m or 5/h");
      })
      ->type_name("N/s");
}

CLI::App& AddVerb(CLI::App& parent, const char* name, Verb verb, const char* description,
                  Arguments& arguments, bool takes_name = true) {
  CLI::App& app = *parent.add_subcommand(name, description);
  if (takes_name) {
    app.add_option("QUEUE", arguments.queue.name, "The queue's id, or queues/QUEUE")
        ->required()
        ->type_name(" ");
  }
  AddGlobal(app, arguments);
  app.footer(kFooter);
  app.callback([&arguments, verb] {
    arguments.verb = verb;
    arguments.queue.name = ExpandQueueName(arguments.queue.name);
  });
  return app;
}

void AddSet(CLI::App& parent, Arguments& arguments) {
  CLI::App& app =
      AddVerb(parent, "set", Verb::kQueueSet, "Change a queue's settings, and show it", arguments);
  QueueFlags& queue = arguments.queue;
  AddRate(app, queue);
  AddNumber(app, "--burst", queue.burst, 0, "Tasks that may start at once after a quiet time (default: 1)");
  AddNumber(app, "--max-running", queue.max_running, 0, "The most tasks that run at once");
  AddNumber(app, "--weight", queue.weight, 0, "Tasks that start in the queue's turn, 1 to 100 (default: 1)");
  AddNumber(app, "--max-attempts", queue.max_attempts, 0, "Attempts of tasks that do not say");
  AddDuration(app, "--min-backoff", queue.min_backoff, "The wait before a second attempt, at most");
  AddDuration(app, "--max-backoff", queue.max_backoff, "The wait before any attempt, at most");
  AddDuration(app, "--retention-age", queue.retention_age, "How long ended tasks are kept");
  AddNumber(app, "--retention-count", queue.retention_count, 0, "How many ended tasks are kept");
  AddNumber(app, "--max-tasks", queue.max_tasks, 0, "The most tasks that have not ended");
  app.add_option("--max-bytes", queue.max_bytes, "The most bytes of their requests; 64MiB is fine too")
      ->transform(CLI::AsSizeValue(false).description(""))
      ->type_name("BYTES");
  app.add_option("--etag", queue.etag, "Only if the settings still have this etag")->type_name("ETAG");
  app.footer(absl::StrCat(kSetFooter, kFooter));
  app.callback([&arguments] {
    QueueFlags& queue = arguments.queue;
    arguments.verb = Verb::kQueueSet;
    queue.name = ExpandQueueName(queue.name);
    if (BuildQueueRequest(queue).update_mask().paths().empty()) {
      throw CLI::ValidationError("set", "needs a setting, --rate=10/s for example");
    }
  });
}

void AddDelete(CLI::App& parent, Arguments& arguments) {
  CLI::App& app = AddVerb(parent, "delete", Verb::kQueueDelete,
                          "Forget a queue with its settings; prints how many tasks went with it", arguments);
  app.add_flag("--force", arguments.queue.force, "Its tasks as well; those that run are stopped");
  app.add_flag("--allow-missing", arguments.queue.allow_missing, "One that does not exist is no error");
  app.add_option("--etag", arguments.queue.etag, "Only if the settings still have this etag")
      ->type_name("ETAG");
}

}  // namespace

void AddQueue(CLI::App& root, Arguments& arguments) {
  CLI::App& app = *root.add_subcommand("queue", "Look at queues and change their settings");
  AddGlobal(app, arguments);
  app.footer(kFooter);
  app.require_subcommand(1);
  AddVerb(app, "list", Verb::kQueueList, "List the queues", arguments, false);
  AddVerb(app, "get", Verb::kQueueGet, "Show a queue", arguments);
  AddSet(app, arguments);
  AddVerb(app, "pause", Verb::kQueuePause, "Start no more tasks of a queue", arguments);
  AddVerb(app, "resume", Verb::kQueueResume, "Start the tasks of a paused queue again", arguments);
  AddVerb(app, "purge", Verb::kQueuePurge, "Forget all tasks of a queue that wait", arguments);
  AddDelete(app, arguments);
  AddVerb(app, "stats", Verb::kQueueStats, "Show how many tasks a queue holds, and its rates", arguments);
}

}  // namespace errand::cli
