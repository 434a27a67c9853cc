#ifndef ERRAND_TESTS_CRASH_SCRIPT_KIND_H_
#define ERRAND_TESTS_CRASH_SCRIPT_KIND_H_

#include <string>

namespace errand {

// What the scripts of the crash test do. All of them tell in their result which attempt it was, and how often
// that attempt had begun by then in the server's life: see ResultOf. Their payload is the submission's id.
enum class ScriptKind {
  kSucceeds,
  kFails,     // In every attempt.
  kRecovers,  // In its third attempt, its sixth, ...
  kSleeps,
  kReports,  // Prints, logs and reports progress.
  kSubmits,  // Leaves a task behind in every attempt: `{payload}-{attempt}` in kTracesQueue.
};
inline constexpr int kScriptKinds = 6;
inline constexpr char kTracesQueue[] = "queues/traces";

inline std::string SourceOf(ScriptKind kind) {
  const std::string begin = "local begun = shared.incr(task.name .. '#' .. task.attempt)\n";
  const std::string end = "\nreturn task.name .. '#' .. task.attempt .. '#' .. begun";
  switch (kind) {
    case ScriptKind::kSucceeds:
      break;
    case ScriptKind::kFails:
      return begin + "error('as always')";
    case ScriptKind::kRecovers:
      return begin + "if task.attempt % 3 ~= 0 then error('not yet') end" + end;
    case ScriptKind::kSleeps:
      return begin + "task.sleep(0.03)" + end;
    case ScriptKind::kReports:
      return begin +
             "log.info(task.name .. '#' .. task.attempt)\n"
             "task.progress(1, 3) task.progress(2, 3) print('printed') task.progress(3, 3)" +
             end;
    case ScriptKind::kSubmits:
      // An attempt of which the log knew nothing before the kill has the same number when it is repeated.
      return begin +
             "local done, message = pcall(task.submit, {lua = {source = 'return 1'}},\n"
             "  {queue = 'traces', task_id = task.payload .. '-' .. task.attempt})\n"
             "if not done and not message:find('there is a task') then error(message) end" +
             end;
  }
  return begin + end;
}

// The result of an attempt, the first of its number to begin since the server started.
inline std::string ResultOf(const std::string& task, int attempt) {
  return task + "#" + std::to_string(attempt) + "#1";
}

}  // namespace errand

#endif  // ERRAND_TESTS_CRASH_SCRIPT_KIND_H_
