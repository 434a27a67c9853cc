#include "client/cli/admin_arguments.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/flags.h"
#include "client/cli/task_name.h"

namespace errand::cli {
namespace {

constexpr char kDumpFooter[] =
    "Each line is a task as `errand get -o jsonl` shows it, payload, attempts and result included, the "
    "oldest\n"
    "first. A task that is there from the beginning to the end is in the dump once; those that come, change "
    "or\n"
    "go meanwhile may be in it as they were at any moment. Unless the exit code is 0 tasks are missing.\n\n";

}  // namespace

void AddAdmin(CLI::App& root, Arguments& arguments) {
  CLI::App& app = *root.add_subcommand("admin", "What an operator does with a whole server");
  AddGlobal(app, arguments);
  app.footer(kFooter);
  app.require_subcommand(1);

  CLI::App& dump = *app.add_subcommand("dump", "Print all tasks, each as a line of JSON");
  AddGlobal(dump, arguments);
  dump.add_option("--queue", arguments.task.queue, "The queue's id (default: all queues)")
      ->type_name("QUEUE");
  dump.footer(absl::StrCat(kDumpFooter, kFooter));
  dump.callback([&arguments] {
    if (arguments.format == Format::kJson) {
      throw CLI::ValidationError("--output",
                                 "a dump is jsonl: as one document it would have to fit into memory");
    }
    arguments.verb = Verb::kAdminDump;
    const std::string& queue = arguments.task.queue;
    arguments.queue.name = ExpandQueueName(queue.empty() ? "-" : queue);
  });
}

}  // namespace errand::cli
