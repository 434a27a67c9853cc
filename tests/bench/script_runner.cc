#include "tests/bench/script_runner.h"

#include <time.h>

#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "server/task/limits.h"
#include "tests/bench/failure.h"
#include "tests/processes/children.h"

namespace errand::bench {
namespace {

using handlers::AttemptId;
using handlers::LuaHandler;
using handlers::Outcome;

class Observer final : public handlers::AttemptObserver {
 public:
  explicit Observer(ScriptRunner::Done done) : done_(std::move(done)) {}

  void OnEvent(v1::TaskEvent) override {}
  void OnDone(Outcome outcome) override { done_(outcome); }

 private:
  ScriptRunner::Done done_;
};

// Of a process, `self` or a pid.
int64_t ProportionalBytes(const std::string& process) {
  std::ifstream file("/proc/" + process + "/smaps_rollup");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("Pss:", 0) == 0) return std::stoll(line.substr(4)) * 1024;
  }
  return 0;
}

}  // namespace

ScriptRunner::ScriptRunner(const Options& options, int workers, int spares) {
  auto zygote = handlers::Zygote::Start(options.sandbox, &loop_);
  if (!zygote.ok()) Fail(zygote.status().message());
  zygote_ = *std::move(zygote);
  auto handler = LuaHandler::Create({.workers = workers, .spares = spares}, zygote_.get());
  if (!handler.ok()) Fail(handler.status().message());
  handler_ = *std::move(handler);
}

AttemptId ScriptRunner::Start(const std::shared_ptr<const v1::Task>& task, Done done) {
  const AttemptId id = ++last_id_;
  handlers::Attempt attempt;
  attempt.id = id;
  attempt.number = 1;
  attempt.task = task;
  handler_->Start(std::move(attempt), std::make_unique<Observer>(std::move(done)));
  return id;
}

Outcome ScriptRunner::Run(const std::shared_ptr<const v1::Task>& task) {
  absl::Notification over;
  Outcome outcome;
  Start(task, [&](const Outcome& ended) {
    outcome = ended;
    over.Notify();
  });
  over.WaitForNotification();
  return outcome;
}

std::shared_ptr<v1::Task> ScriptRunner::Task(const std::string& source) {
  auto task = std::make_shared<v1::Task>();
  task->set_name("queues/default/tasks/bench");
  task->mutable_lua()->set_source(source);
  task->mutable_run_timeout()->set_seconds(3600);
  task->mutable_limits()->set_memory_bytes(task::kDefaultMemoryBytes);
  task->mutable_limits()->set_output_bytes(task::kDefaultOutputBytes);
  return task;
}

absl::Duration ScriptRunner::CpuOfWorkers() {
  absl::Duration sum;
  for (const pid_t pid : Workers()) {
    clockid_t clock;
    timespec used;
    if (clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &used) == 0) {
      sum += absl::DurationFromTimespec(used);
    }
  }
  return sum;
}

int64_t ScriptRunner::Bytes() {
  int64_t sum = ProportionalBytes("self");
  for (const pid_t pid : Workers()) sum += ProportionalBytes(absl::StrCat(pid));
  return sum;
}

std::vector<pid_t> ScriptRunner::Workers() { return ChildrenNamed("errand-worker"); }

}  // namespace errand::bench
