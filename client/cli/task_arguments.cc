#include "client/cli/task_arguments.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/flags.h"

namespace errand::cli {
namespace {

constexpr char kRunFooter[] =
    "With -o table (the default) standard output gets the result alone, byte for byte, so that it can be\n"
    "piped; events, what the script prints, and log lines go to standard error as they come. With -o jsonl\n"
    "standard output gets every event as a line of JSON, with -o json the ended task.\n\n";

constexpr char kSubmitFooter[] =
    "With --batch standard output gets the names of the created tasks in the order of the lines; with -o "
    "json\n"
    "or jsonl a line {\"line\": N, \"name\": ...} or {\"line\": N, \"error\": ...} for every task. A line "
    "that is no\n"
    "valid task ends the batch with exit code 2: those before it are submitted, those behind it are not.\n"
    "Exit code 1 says that the server refused some. Line N has the request id REQUEST-ID-N unless it holds "
    "one:\n"
    "repeated within ten minutes with the same --request-id, a batch creates no task twice.\n\n";

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
  app.add_option("--ordering-key", task.ordering_key,
                 "Tasks of a queue with the same key run one after another, in order")
      ->type_name("KEY");
  CLI::Option* at = app.add_option("--at", task.at, "Not before this time")->check(CheckTime);
  at->type_name("RFC3339");
  AddDuration(app, "--delay", task.delay, "Not before this time from now")->excludes(at);
  CLI::Option* expire = app.add_option("--expire-at", task.expire_at, "Not at all if not started by then");
  expire->check(CheckTime)->type_name("RFC3339");
  AddDuration(app, "--ttl", task.ttl, "Not at all if not started within this time")->excludes(expire);
  AddDuration(app, "--run-timeout", task.run_timeout, "The longest that one attempt may take");
  AddNumber(app, "--max-attempts", task.max_attempts, 1, "Attempts in all (default: 1)");
}

void AddLua(CLI::App& parent, const std::string& footer, Arguments& arguments) {
  TaskFlags& task = arguments.task;
  CLI::App& app = *parent.add_subcommand("lua", "A Lua 5.4 script");
  app.add_option("FILE", task.script_file, "The script; - for standard input")->type_name(" ");
  app.add_option("--script", task.script, "A registered script in place of FILE, see 'errand script'")
      ->type_name("NAME");
  app.add_option("--payload", task.payload,
                 "The script's input, task.payload: the text itself (JSON for example), @FILE for a file's "
                 "bytes, @- for standard input, @@TEXT for a text that starts with @")
      ->type_name("JSON|@FILE");
  app.add_option("--memory", task.memory_bytes, "The most memory its data may take; 64MiB is fine too")
      ->transform(CLI::AsSizeValue(false).description(""))
      ->type_name("BYTES");
  AddDuration(app, "--cpu-time", task.cpu_time, "The most CPU time that one attempt may use");
  AddTaskFlags(app, task);
  AddGlobal(app, arguments);
  app.footer(footer);
  app.callback([&task] {
    task.kind = TaskFlags::Kind::kLua;
    if (task.script_file.empty() == task.script.empty()) {
      throw CLI::ValidationError("lua", "needs FILE or --script, and not both");
    }
  });
}

void AddEmail(CLI::App& parent, const std::string& footer, Arguments& arguments) {
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
  app.footer(footer);
  app.callback([&task] { task.kind = TaskFlags::Kind::kEmail; });
}

// A kind of task, or --json; the caller adds further choices and the final callback.
CLI::App& AddCreator(CLI::App& root, const char* name, const char* description, const char* footer,
                     Arguments& arguments) {
  TaskFlags& task = arguments.task;
  CLI::App& app = *root.add_subcommand(name, description);
  app.add_option("--json", task.json_file, "A Task or CreateTaskRequest as proto3 JSON; - for standard input")
      ->type_name("FILE");
  AddPlace(app, task);
  AddGlobal(app, arguments);
  app.footer(absl::StrCat(footer, kFooter));
  app.require_subcommand(0, 1);
  return app;
}

void CheckOneKind(const CLI::App& app, const Arguments& arguments) {
  const bool has_kind = !app.get_subcommands().empty();
  const bool has_json = !arguments.task.json_file.empty();
  const bool has_batch = !arguments.batch_file.empty();
  if (has_json && has_kind) throw CLI::ValidationError("--json", "does not go with lua or email");
  if (has_batch && (has_kind || has_json)) {
    throw CLI::ValidationError("--batch", "does not go with lua, email or --json");
  }
  if (has_batch && !arguments.task.id.empty()) throw CLI::ValidationError("--id", "does not go with --batch");
}

}  // namespace

void AddRun(CLI::App& root, Arguments& arguments) {
  CLI::App& app = AddCreator(root, "run", "Create a task and watch it until it ends", kRunFooter, arguments);
  const std::string footer = absl::StrCat(kRunFooter, kFooter);
  AddLua(app, footer, arguments);
  AddEmail(app, footer, arguments);
  app.final_callback([&app, &arguments] {
    arguments.verb = Verb::kRun;
    CheckOneKind(app, arguments);
    if (!arguments.task.json_file.empty()) {
      arguments.task.kind = TaskFlags::Kind::kJson;
    } else if (app.get_subcommands().empty()) {
      throw CLI::ValidationError("run", "needs lua, email or --json");
    }
  });
}

void AddSubmit(CLI::App& root, Arguments& arguments) {
  CLI::App& app = AddCreator(root, "submit", "Create a task, or a file of them, and print its name at once",
                             kSubmitFooter, arguments);
  CLI::Option* batch = app.add_option("--batch", arguments.batch_file,
                                      "Many: each line is what --json takes; - for standard input");
  batch->type_name("FILE");
  app.add_flag("--keep-going", arguments.keep_going, "Pass over lines of the batch that are not valid")
      ->needs(batch);
  AddLua(app, kFooter, arguments);
  AddEmail(app, kFooter, arguments);
  app.final_callback([&app, &arguments] {
    arguments.verb = arguments.batch_file.empty() ? Verb::kSubmit : Verb::kSubmitBatch;
    CheckOneKind(app, arguments);
    if (!arguments.task.json_file.empty()) {
      arguments.task.kind = TaskFlags::Kind::kJson;
    } else if (arguments.batch_file.empty() && app.get_subcommands().empty()) {
      throw CLI::ValidationError("submit", "needs lua, email, --json or --batch");
    }
  });
}

}  // namespace errand::cli
