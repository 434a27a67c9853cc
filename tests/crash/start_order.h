#ifndef ERRAND_TESTS_CRASH_START_ORDER_H_
#define ERRAND_TESTS_CRASH_START_ORDER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "tests/crash/acknowledged_task.h"

namespace errand {

// When a task that has ended ran.
struct TaskRuns {
  TaskRuns(const AcknowledgedTask& task, int client_number);

  std::string name;
  std::string queue;
  std::string ordering_key;
  int client;
  int64_t position;  // Of its submission, among those of the client.
  bool scheduled;
  bool retried;
  std::vector<std::pair<absl::Time, absl::Time>> attempts;  // Start and end.
  // How many of the first attempts were cut off by kills: the task has kept its place in the line.
  size_t interrupted = 0;
};

// Tasks of one priority start in the order of their submission, also again after a kill; those of an ordering
// key also end before the next one starts, and in `serial_queue` no two run at once. All tasks of the queues
// have ended.
void CheckStartOrder(std::vector<TaskRuns> tasks, const std::string& serial_queue);

}  // namespace errand

#endif  // ERRAND_TESTS_CRASH_START_ORDER_H_
