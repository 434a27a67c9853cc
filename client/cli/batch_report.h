#ifndef ERRAND_CLIENT_CLI_BATCH_REPORT_H_
#define ERRAND_CLIENT_CLI_BATCH_REPORT_H_

#include <cstdint>
#include <deque>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/cli/arguments.h"
#include "client/cli/progress_bar.h"
#include "errand/v1/tasks.pb.h"

namespace errand::cli {

// What becomes of the lines of a batch, in their order, on standard output: names with Format::kTable,
// otherwise an object a line. Errors go to standard error with Format::kTable, and so do a progress bar where
// that is a terminal, and a summary.
//
// Threads: any may call any method.
class BatchReport final {
 public:
  // `total_bytes` of the batch; 0 when that is not known.
  BatchReport(Format format, bool quiet, int64_t total_bytes);

  // The line `number`, which ends at byte `offset`, has been handed over: a Result() will come for it, in the
  // order of lines.
  void AddLine(int64_t number, int64_t offset);

  // The line `number` is not valid, as `error` says, and no result will come for it.
  void AddWrongLine(int64_t number, const absl::Status& error);

  // What became of the first line that has no result yet.
  void AddResult(const v1::SubmitResult& result);

  // Takes the progress bar away and prints the summary.
  void Finish();

  int64_t refused() const;
  int64_t wrong() const;

 private:
  struct Line {
    int64_t number = 0;
    int64_t offset = 0;
    absl::Status error;  // Of a line that is not valid.
  };

  void Print(const Line& line, const v1::SubmitResult& result) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PrintWrongLines() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Complain(int64_t number, const absl::Status& error) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ShowProgress(int64_t offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  double Rate() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Format format_;
  const bool quiet_;
  const bool shares_terminal_;  // Of standard output and the progress bar.
  const int64_t total_bytes_;
  const absl::Time start_;

  mutable absl::Mutex mu_;
  std::deque<Line> lines_ ABSL_GUARDED_BY(mu_);  // Without a result, and wrong ones behind those.
  ProgressBar bar_ ABSL_GUARDED_BY(mu_);
  int64_t created_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t refused_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t wrong_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_BATCH_REPORT_H_
