// Prints what a trivial script costs, from Start to OnDone, one at a time.

#include <algorithm>
#include <cstdio>

#include "absl/synchronization/notification.h"
#include "server/handlers/lua/lua_handler.h"
#include "server/task/limits.h"

namespace errand::handlers {
namespace {

class Waiter final : public AttemptObserver {
 public:
  explicit Waiter(absl::Notification& done) : done_(done) {}
  void OnEvent(v1::TaskEvent) override {}
  void OnDone(Outcome) override { done_.Notify(); }

 private:
  absl::Notification& done_;
};

int Main() {
  io::Loop loop;
  auto handler = LuaHandler::Create({ERRAND_SANDBOX, 1, 0}, &loop);
  if (!handler.ok()) return 1;
  auto task = std::make_shared<v1::Task>();
  task->mutable_lua()->set_source("return 1");
  task->mutable_run_timeout()->set_seconds(30);
  task->mutable_limits()->set_memory_bytes(task::kDefaultMemoryBytes);
  task->mutable_limits()->set_output_bytes(task::kDefaultOutputBytes);
  std::vector<absl::Duration> times;
  for (AttemptId id = 1; id <= 20'000; ++id) {
    Attempt attempt;
    attempt.id = id;
    attempt.number = 1;
    attempt.task = task;
    absl::Notification done;
    const absl::Duration start = LuaAttempt::MonotonicNow();
    (*handler)->Start(std::move(attempt), std::make_unique<Waiter>(done));
    done.WaitForNotification();
    times.push_back(LuaAttempt::MonotonicNow() - start);
  }
  std::sort(times.begin(), times.end());
  std::printf("trivial script, us: p50 %.1f  p99 %.1f\n", absl::ToDoubleMicroseconds(times[times.size() / 2]),
              absl::ToDoubleMicroseconds(times[times.size() * 99 / 100]));
  return 0;
}

}  // namespace
}  // namespace errand::handlers

int main() { return errand::handlers::Main(); }
