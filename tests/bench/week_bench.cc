// Whether what the log takes, and how long a start takes, depend on what is there and not on what was.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "server/task/duration.h"
#include "server/task/name.h"
#include "tests/bench/disk_folder.h"
#include "tests/bench/durable_store.h"
#include "tests/bench/failure.h"
#include "tests/bench/scenarios.h"

namespace errand::bench {
namespace {

constexpr int kDays = 7;
constexpr int kTasksPerSecond = 100;
constexpr int kPayloadBytes = 200;
// Tasks that wait all week long.
constexpr int kDelayedTasks = 1'000;
// How long a step of the simulation is.
constexpr absl::Duration kStep = absl::Seconds(10);

double BytesOf(const DiskFolder& folder) {
  double bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
    std::error_code gone;  // A file may go away meanwhile.
    const auto size = entry.file_size(gone);
    if (!gone) bytes += static_cast<double>(size);
  }
  return bytes;
}

// A store whose time passes as fast as it can do what there is to do.
class Simulation final : public store::LeaseHolder {
 public:
  explicit Simulation(const DiskFolder& folder) : folder_(folder) { Open(); }

  // Makes, runs and ends `tasks` tasks, and lets the step's time pass.
  void Step(int tasks) {
    Submit(tasks, absl::ZeroDuration());
    int claimed = 0;
    while (claimed < tasks) claimed += ClaimAndFinish(tasks - claimed);
    now_nanos_ += absl::ToInt64Nanoseconds(kStep);
    (*store_)->RunAlarms();
  }

  void Submit(int tasks, absl::Duration delay) {
    std::vector<v1::Task> made(tasks);
    std::vector<store::Submission> submissions(tasks);
    for (int i = 0; i < tasks; ++i) {
      v1::Task& task = made[i];
      task.set_uid(task::NewUid());
      task.set_name(task::TaskName(task::kDefaultQueue, task.uid()));
      task.mutable_lua()->set_source("return 1");
      task.mutable_lua()->set_text(payload_);
      if (delay > absl::ZeroDuration()) *task.mutable_schedule_time() = task::ToProto(Now() + delay);
      submissions[i].task = &task;
    }
    absl::Notification done;
    (*store_)->Submit(std::move(submissions), store::SubmitMode::kEach, [&](const auto& results) {
      Check(results);
      done.Notify();
    });
    done.WaitForNotification();
  }

  // How long a start takes whose files have to be read from the disk.
  double Restart() {
    (*store_)->Close();
    store_.reset();
    folder_.DropFromCache();
    const absl::Time start = absl::Now();
    Open();
    return absl::ToDoubleSeconds(absl::Now() - start);
  }

  void OnCancelRequested(const store::Lease&) override {}

 private:
  absl::Time Now() const { return absl::FromUnixNanos(now_nanos_); }

  void Open() {
    store::StoreOptions options;
    options.clock = [this] { return clock::Moment{clock::Instant() + (Now() - absl::UnixEpoch()), Now()}; };
    store_.emplace(folder_.path(), std::move(options));
  }

  static void Check(const std::vector<absl::Status>& results) {
    for (const absl::Status& result : results) {
      if (!result.ok()) Fail(result.message());
    }
  }

  int ClaimAndFinish(int most) {
    std::vector<store::FinishRequest> finished;
    {
      absl::Notification done;
      (*store_)->Claim({task::HandlerKind::kLua, {.tasks = most}, absl::Hours(1), this, "bench"},
                       [&](const std::vector<store::ClaimedTask>& claimed) {
                         finished.resize(claimed.size());
                         for (size_t i = 0; i < claimed.size(); ++i) finished[i].lease = claimed[i].lease;
                         done.Notify();
                       });
      done.WaitForNotification();
    }
    const auto count = static_cast<int>(finished.size());
    absl::Notification done;
    (*store_)->Finish(std::move(finished), [&](const auto& results) {
      Check(results);
      done.Notify();
    });
    done.WaitForNotification();
    return count;
  }

  const DiskFolder& folder_;
  const std::string payload_ = std::string(kPayloadBytes, 'x');
  std::atomic<int64_t> now_nanos_{absl::ToUnixNanos(absl::Now())};
  std::optional<DurableStore> store_;
};

}  // namespace

Table MeasureWeek(const Options& options) {
  // A hundredth of the tasks is as much a week.
  const int tasks_per_step =
      static_cast<int>(absl::ToInt64Seconds(kStep)) * kTasksPerSecond / (options.whole_week ? 1 : 100);
  const auto steps_per_day = static_cast<int>(absl::Hours(24) / kStep);
  Table table;
  table.name = "week";
  table.title = absl::StrCat("The durable store in this process: ", tasks_per_step * steps_per_day,
                             " tasks a day in simulated time, ", kDelayedTasks,
                             " more wait all week, what has ended is kept as long as it usually is");
  table.columns = {{"day", "day"},
                   {"tasks", "tasks so far"},
                   {"most_disk_mib", "most MiB of disk"},
                   {"disk_mib", "MiB at its end"},
                   {"start_seconds", "seconds of a start", 2},
                   {"tasks_per_second", "tasks/s"}};
  table.notes = {"start: the folder is opened with nothing of it in the page cache",
                 "--whole_week: 100 tasks a second, which takes a quarter of an hour",
                 "goal: disk use and start do not grow with the days"};
  const DiskFolder folder;
  Simulation simulation(folder);
  simulation.Submit(kDelayedTasks, absl::Hours(24 * 30));
  constexpr double kMiB = 1 << 20;
  for (int day = 1; day <= kDays; ++day) {
    double most = 0;
    const absl::Time start = absl::Now();
    for (int step = 0; step < steps_per_day; ++step) {
      simulation.Step(tasks_per_step);
      if (step % 60 == 0) most = std::max(most, BytesOf(folder));
    }
    const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
    const double at_its_end = BytesOf(folder);
    const double tasks = static_cast<double>(tasks_per_step) * steps_per_day;
    table.rows.push_back({double(day), tasks * day, std::max(most, at_its_end) / kMiB, at_its_end / kMiB,
                          simulation.Restart(), tasks / seconds});
  }
  return table;
}

}  // namespace errand::bench
