#include "tests/crash/start_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "tests/crash/timestamp.h"
#include "tests/end_to_end/calls.h"

namespace errand {
namespace {

std::string Describe(const TaskRuns& task) {
  std::string text = absl::StrCat("'", task.name, "', key '", task.ordering_key, "', submission ",
                                  task.position, " of client ", task.client,
                                  task.scheduled ? ", scheduled" : "", task.retried ? ", retried" : "");
  for (const auto& [start, end] : task.attempts) {
    absl::StrAppend(&text, "\n    ran from ",
                    absl::FormatTime(absl::RFC3339_full, start, absl::UTCTimeZone()), " to ",
                    absl::FormatTime(absl::RFC3339_full, end, absl::UTCTimeZone()));
  }
  return text;
}

void Fail(const char* expected, const TaskRuns& first, const TaskRuns& second) {
  ADD_FAILURE() << "expected: " << expected << "\n  " << Describe(first) << "\n  " << Describe(second);
}

// In the order of submission.
using Line = std::vector<const TaskRuns*>;

// A task that is retried by hand takes a place at the end of the line.
void CheckFirstStarts(const Line& line) {
  const TaskRuns* last = nullptr;
  for (const TaskRuns* task : line) {
    if (task->retried) continue;
    if (last != nullptr && task->attempts.front().first < last->attempts.front().first) {
      Fail("the one that was submitted first starts first", *last, *task);
    }
    last = task;
  }
}

// After a kill, who had started goes on before whoever stands behind.
void CheckStartsAgain(const Line& line) {
  for (size_t i = 0; i < line.size(); ++i) {
    const TaskRuns& task = *line[i];
    if (task.retried || task.interrupted == 0 || task.interrupted == task.attempts.size()) continue;
    const absl::Time cut_off = task.attempts[task.interrupted - 1].second;
    const absl::Time again = task.attempts[task.interrupted].first;
    for (size_t j = i + 1; j < line.size(); ++j) {
      const absl::Time start = line[j]->attempts.front().first;
      if (start >= cut_off && start < again) Fail("who was cut off by a kill goes on first", task, *line[j]);
    }
  }
}

void CheckNeverTwoAtOnce(const Line& line) {
  using Run = std::tuple<absl::Time, absl::Time, const TaskRuns*>;
  std::vector<Run> runs;
  for (const TaskRuns* task : line) {
    for (const auto& [start, end] : task->attempts) runs.emplace_back(start, end, task);
  }
  std::sort(runs.begin(), runs.end());
  for (size_t i = 1; i < runs.size(); ++i) {
    if (std::get<0>(runs[i]) < std::get<1>(runs[i - 1])) {
      Fail("never two at once", *std::get<2>(runs[i - 1]), *std::get<2>(runs[i]));
    }
  }
}

void CheckEndsBeforeTheNextStarts(const Line& line) {
  const TaskRuns* last = nullptr;
  for (const TaskRuns* task : line) {
    if (last != nullptr && task->attempts.front().first < last->attempts.back().second) {
      Fail("the first one of a key has ended when the next one starts", *last, *task);
    }
    if (!task->retried) last = task;
  }
}

}  // namespace

TaskRuns::TaskRuns(const AcknowledgedTask& task, int client_number)
    : name(task.name()),
      queue(task.request().parent()),
      ordering_key(task.request().task().ordering_key()),
      client(client_number),
      position(task.position()),
      scheduled(task.request().task().has_schedule_time()),
      retried(task.retried()) {
  for (const v1::Attempt& attempt : task.end()->attempts()) {
    const bool cut_off = attempt.has_error() && ReasonOf(attempt.error()) == "SERVER_ENDED";
    if (cut_off && interrupted == attempts.size()) ++interrupted;
    attempts.emplace_back(TimeOf(attempt.start_time()), TimeOf(attempt.end_time()));
  }
}

void CheckStartOrder(std::vector<TaskRuns> tasks, const std::string& serial_queue) {
  std::sort(tasks.begin(), tasks.end(), [](const TaskRuns& a, const TaskRuns& b) {
    return std::tuple(a.client, a.position) < std::tuple(b.client, b.position);
  });
  std::map<std::tuple<int, std::string, std::string>, Line> lines;  // By client, queue and key.
  Line serial;
  for (const TaskRuns& task : tasks) {
    if (task.attempts.empty()) continue;  // Cancelled before.
    if (task.queue == serial_queue) serial.push_back(&task);
    if (task.ordering_key.empty() && task.scheduled) continue;
    lines[{task.client, task.queue, task.ordering_key}].push_back(&task);
  }
  CheckNeverTwoAtOnce(serial);
  for (const auto& [whose, line] : lines) {
    CheckFirstStarts(line);
    CheckStartsAgain(line);
    if (std::get<2>(whose).empty()) continue;
    CheckNeverTwoAtOnce(line);
    CheckEndsBeforeTheNextStarts(line);
  }
}

}  // namespace errand
