#ifndef ERRAND_CLIENT_CLI_ARGUMENTS_H_
#define ERRAND_CLIENT_CLI_ARGUMENTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cli/queue_flags.h"
#include "client/cli/script_flags.h"
#include "client/cli/task_flags.h"

namespace errand::cli {

enum class Verb {
  kRun,
  kSubmit,
  kSubmitBatch,
  kGet,
  kList,
  kWait,
  kWatch,
  kWatchQueue,
  kCancel,
  kRetry,
  kDelete,
  kQueueList,
  kQueueGet,
  kQueueSet,
  kQueuePause,
  kQueueResume,
  kQueuePurge,
  kQueueDelete,
  kQueueStats,
  kScriptCreate,
  kScriptGet,
  kScriptList,
  kScriptDelete,
  kScriptValidate,
  kAdminDump,
  kHealth,
  kCompletion,
};

// What standard output gets: text for people, one JSON document, or a JSON document a line.
enum class Format { kTable, kJson, kJsonl };

// The command line and environment, checked as far as that goes without the server.
struct Arguments {
  Verb verb = Verb::kHealth;
  Format format = Format::kTable;
  std::string server;
  absl::Duration timeout = absl::InfiniteDuration();
  absl::Duration retry_for = absl::Seconds(5);
  bool quiet = false;

  TaskFlags task;                   // run, submit.
  std::string batch_file;           // submit: its lines are tasks; "-" is standard input.
  bool keep_going = false;          // submit: passes over lines that are not valid.
  std::string name;                 // get, wait, watch, cancel: `queues/{queue}/tasks/{task}`.
  bool descendants = false;         // cancel.
  std::vector<std::string> names;   // retry, delete.
  int64_t after = 0;                // watch: the last sequence, or position, seen.
  std::string filter;               // list.
  std::vector<std::string> states;  // list: in any case.
  int64_t limit = 0;                // list: 0 for all.
  QueueFlags queue;                 // queue; its name alone: list, watch, admin dump.
  ScriptFlags script;               // script.
  std::string service;              // health.
  std::string shell;                // completion.
};

// Fills `arguments`. A value means that there is nothing more to do, and is the exit code: help or version
// were printed, or the command line is wrong, which standard error says.
std::optional<int> ParseArguments(int argc, char** argv, Arguments& arguments);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_ARGUMENTS_H_
