#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "server/store/log/committer.h"
#include "server/store/log/posix_file_system.h"
#include "server/store/log/segment_files.h"
#include "tests/bench/failure.h"
#include "tests/bench/measurement.h"
#include "tests/bench/scenarios.h"

namespace errand::bench {
namespace {

using store::log::Committer;
using store::log::Place;
using store::log::PosixFileSystem;
using store::log::Record;
using store::log::SegmentFiles;

constexpr size_t kSubmissionBytes = 200;
constexpr size_t kCompletionBytes = 48;

// A folder on a disk (/tmp may be memory), gone with the object.
class Folder {
 public:
  Folder() {
    if (mkdtemp(path_.data()) == nullptr) Fail("no folder can be made in /var/tmp");
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/var/tmp/errand_bench_log.XXXXXX";
};

absl::Duration ProcessCpu() {
  timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return absl::DurationFromTimespec(used);
}

// Microseconds of one write of 4 KiB and its sync, in a file that is as large as it will be.
double MeasureSync(absl::Duration duration) {
  const Folder folder;
  const auto disk = PosixFileSystem::OpenFolder(folder.path());
  if (!disk.ok()) Fail(disk.status().message());
  const auto file = (*disk)->Open("file");
  if (!file.ok()) Fail(file.status().message());
  const std::string zeros(16 << 20, '\0');
  const std::string block(4096, 'x');
  if (!(*file)->Write(0, zeros).ok() || !(*file)->Sync().ok()) Fail("the disk cannot be written");
  std::vector<float> values;
  uint64_t offset = 0;
  for (const absl::Time end = absl::Now() + duration; absl::Now() < end;) {
    const absl::Time start = absl::Now();
    if (!(*file)->Write(offset, block).ok() || !(*file)->Sync().ok()) Fail("the disk cannot be synced");
    values.push_back(static_cast<float>(absl::ToDoubleMicroseconds(absl::Now() - start)));
    offset = (offset + block.size()) % zeros.size();
  }
  return Percentile(values, 0.5);
}

// So many tasks at a time, each submitted and completed, both durable.
class Tasks {
 public:
  Tasks(Committer* committer, int outstanding) : committer_(committer), running_(outstanding) {
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
    Record record{.type = 2, .continues = false, .body = absl::string_view(body_).substr(0, bytes)};
    committer_->Append({&record, 1});
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
  const Folder folder;
  const auto disk = PosixFileSystem::OpenFolder(folder.path());
  if (!disk.ok()) Fail(disk.status().message());
  const auto files = SegmentFiles::Open(disk->get(), 64 << 20);
  if (!files.ok()) Fail(files.status().message());
  Committer committer(files->get(), 1, Place());
  // The first segments are being made meanwhile.
  Tasks(&committer, outstanding).Run(absl::Seconds(1));
  const absl::Duration cpu = ProcessCpu();
  const absl::Time start = absl::Now();
  Tasks tasks(&committer, outstanding);
  tasks.Run(duration);
  const auto completed = static_cast<double>(tasks.completed());
  Measurement measured;
  measured.items_per_second = completed / absl::ToDoubleSeconds(absl::Now() - start);
  measured.server_cpu_us = absl::ToDoubleMicroseconds(ProcessCpu() - cpu) / completed;
  measured.p50_us = Percentile(tasks.submit_us(), 0.5);
  measured.p99_us = Percentile(tasks.submit_us(), 0.99);
  return measured;
}

}  // namespace

Table MeasureLog(const Options& options) {
  Table table;
  table.name = "log";
  table.title = "The log in this process: tasks that are submitted (200 bytes) and completed, both durable";
  table.columns = {{"tasks at a time", "outstanding"},    {"tasks/s", "tasks_per_second", 0},
                   {"CPU us/task", "cpu_us", 2},          {"submit p50 us", "submit_p50_us", 0},
                   {"submit p99 us", "submit_p99_us", 0}, {"p50 ratio", "p50_ratio", 2}};
  table.notes = {"p50 ratio: to the median of one write of 4 KiB and its fdatasync, into blocks that exist"};
  for (const int outstanding : {1, 64, 512}) {
    Rounds rounds;
    Rounds floor;
    for (int round = 0; round < options.rounds; ++round) {
      floor.emplace_back().p50_us = MeasureSync(options.duration / 4);
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
