#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "server/store/log/committer.h"
#include "server/store/log/log_writer.h"
#include "server/store/log/posix_file_system.h"
#include "server/store/log/segment_files.h"
#include "tests/bench/bare_sync.h"
#include "tests/bench/disk_folder.h"
#include "tests/bench/failure.h"
#include "tests/bench/measurement.h"
#include "tests/bench/process_usage.h"
#include "tests/bench/scenarios.h"

namespace errand::bench {
namespace {

using store::log::Committer;
using store::log::LogWriter;
using store::log::Place;
using store::log::PosixFileSystem;
using store::log::SegmentFiles;

constexpr size_t kSubmissionBytes = 200;
constexpr size_t kCompletionBytes = 48;

// So many tasks at a time, each submitted and completed, both durable.
class Tasks {
 public:
  Tasks(Committer* committer, LogWriter* writer, int outstanding)
      : committer_(committer), writer_(writer), running_(outstanding) {
    for (int i = 0; i < outstanding; ++i) Submit();
  }

  // Ends after `duration`.
  void Run(absl::Duration duration) {
    absl::SleepFor(duration);
    {
      absl::MutexLock lock(&mu_);
      stopping_ = true;
    }
    over_.WaitForNotification();
  }

  int64_t completed() const { return completed_; }
  std::vector<float>& submit_us() { return submit_us_; }

 private:
  void Append(size_t bytes) {
    absl::MutexLock lock(&writer_mu_);
    writer_->Add(2, absl::string_view(body_).substr(0, bytes));
    writer_->EndGroup();
  }
  void Submit() {
    Append(kSubmissionBytes);
    committer_->WhenSynced([this, start = absl::Now()](const absl::Status& status) {
      if (!status.ok()) Fail(status.message());
      submit_us_.push_back(static_cast<float>(absl::ToDoubleMicroseconds(absl::Now() - start)));
      Complete();
    });
  }
  void Complete() {
    Append(kCompletionBytes);
    committer_->WhenSynced([this](const absl::Status& status) {
      if (!status.ok()) Fail(status.message());
      ++completed_;
      bool stopping;
      {
        absl::MutexLock lock(&mu_);
        stopping = stopping_;
      }
      if (!stopping) {
        Submit();
      } else if (--running_ == 0) {
        over_.Notify();
      }
    });
  }

  Committer* const committer_;
  absl::Mutex writer_mu_;
  LogWriter* const writer_;
  const std::string body_ = std::string(kSubmissionBytes, 'x');
  absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  absl::Notification over_;

  // Owned by the committer's thread.
  int running_;
  int64_t completed_ = 0;
  std::vector<float> submit_us_;
};

Measurement MeasureTasks(int outstanding, absl::Duration duration) {
  const DiskFolder folder;
  const auto disk = PosixFileSystem::OpenFolder(folder.path());
  if (!disk.ok()) Fail(disk.status().message());
  const auto files = SegmentFiles::Open(disk->get(), {});
  if (!files.ok()) Fail(files.status().message());
  if (const absl::Status started = (*files)->Start(Place()); !started.ok()) Fail(started.message());
  Committer committer(files->get(), Place());
  LogWriter writer(&committer, 1, (*files)->segment_bytes());
  // The first segments are being made meanwhile.
  Tasks(&committer, &writer, outstanding).Run(absl::Seconds(1));
  const absl::Duration cpu = UsageOf(getpid()).cpu;
  const absl::Time start = absl::Now();
  Tasks tasks(&committer, &writer, outstanding);
  tasks.Run(duration);
  const auto completed = static_cast<double>(tasks.completed());
  Measurement measured;
  measured.items_per_second = completed / absl::ToDoubleSeconds(absl::Now() - start);
  measured.server_cpu_us = absl::ToDoubleMicroseconds(UsageOf(getpid()).cpu - cpu) / completed;
  measured.p50_us = Percentile(tasks.submit_us(), 0.5);
  measured.p99_us = Percentile(tasks.submit_us(), 0.99);
  return measured;
}

}  // namespace

Table MeasureLog(const Options& options) {
  Table table;
  table.name = "log";
  table.title = "The log in this process: tasks that are submitted (200 bytes) and completed, both durable";
  table.columns = {{"outstanding", "tasks at a time"},    {"tasks_per_second", "tasks/s", 0},
                   {"cpu_us", "CPU us/task", 2},          {"submit_p50_us", "submit p50 us", 0},
                   {"submit_p99_us", "submit p99 us", 0}, {"p50_ratio", "p50 ratio", 2}};
  table.notes = {"p50 ratio: to the median of one write of 4 KiB and its fdatasync, into blocks that exist"};
  for (const int outstanding : {1, 64, 512}) {
    Rounds rounds;
    Rounds floor;
    for (int round = 0; round < options.rounds; ++round) {
      floor.push_back(MeasureBareSync(options.duration / 4));
      rounds.push_back(MeasureTasks(outstanding, options.duration));
    }
    table.rows.push_back({absl::StrCat(outstanding), Median(rounds, &Measurement::items_per_second),
                          Median(rounds, &Measurement::server_cpu_us), Median(rounds, &Measurement::p50_us),
                          Median(rounds, &Measurement::p99_us),
                          MedianRatio(rounds, floor, &Measurement::p50_us)});
  }
  return table;
}

}  // namespace errand::bench
