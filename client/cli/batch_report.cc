#include "client/cli/batch_report.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "client/cli/error_report.h"
#include "client/cli/json.h"
#include "client/cli/printable.h"
#include "client/cli/terminal.h"
#include "errand/error.h"

namespace errand::cli {
namespace {

// A batch that is refused as a whole should not bury the summary.
constexpr int64_t kMaxComplaints = 20;

}  // namespace

BatchReport::BatchReport(Format format, bool quiet, int64_t total_bytes)
    : format_(format),
      quiet_(quiet),
      shares_terminal_(Terminal::Of(STDOUT_FILENO).is_terminal),
      total_bytes_(total_bytes),
      start_(absl::Now()),
      bar_(!quiet) {}

void BatchReport::AddLine(int64_t number, int64_t offset) {
  absl::MutexLock lock(&mu_);
  lines_.push_back({number, offset, absl::OkStatus()});
}

void BatchReport::AddWrongLine(int64_t number, const absl::Status& error) {
  absl::MutexLock lock(&mu_);
  lines_.push_back({number, 0, error});
  PrintWrongLines();
}

void BatchReport::AddResult(const v1::SubmitResult& result) {
  absl::MutexLock lock(&mu_);
  if (lines_.empty()) return;
  const Line line = lines_.front();
  lines_.pop_front();
  ++(result.has_error() ? refused_ : created_);
  Print(line, result);
  PrintWrongLines();
  if (lines_.empty()) std::fflush(stdout);  // Whoever reads a pipe wants it now; more would follow at once.
  ShowProgress(line.offset);
}

void BatchReport::PrintWrongLines() {
  while (!lines_.empty() && !lines_.front().error.ok()) {
    const Line line = lines_.front();
    lines_.pop_front();
    ++wrong_;
    v1::SubmitResult result;
    result.mutable_error()->set_code(static_cast<int>(line.error.code()));
    result.mutable_error()->set_message(std::string(line.error.message()));
    Print(line, result);
  }
}

void BatchReport::Print(const Line& line, const v1::SubmitResult& result) {
  if (format_ == Format::kTable && result.has_error()) {
    Complain(line.number, line.error.ok() ? FromProto(result.error()) : line.error);
    return;
  }
  std::string text;
  if (format_ == Format::kTable) {
    text = absl::StrCat(Printable(result.name()), "\n");
  } else {
    const std::string json = ToJson(result);
    absl::string_view fields = json;
    absl::ConsumePrefix(&fields, "{");
    text = absl::StrCat("{\"line\":", line.number, fields == "}\n" ? "" : ",", fields);
  }
  if (shares_terminal_) bar_.Clear();
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (shares_terminal_) bar_.Redraw();
}

void BatchReport::Complain(int64_t number, const absl::Status& error) {
  const int64_t count = refused_ + wrong_;
  if (count > kMaxComplaints) return;
  bar_.Clear();
  // What is wrong with a line names it.
  const bool is_ours = error.code() == absl::StatusCode::kInvalidArgument &&
                       absl::StartsWith(error.message(), absl::StrCat("line ", number, " "));
  std::fprintf(stderr, "errand: %s%s", is_ours ? "" : absl::StrCat("line ", number, ": ").c_str(),
               DescribeError(error).c_str());
  if (count == kMaxComplaints) std::fprintf(stderr, "errand: further errors are counted, not printed\n");
  bar_.Redraw();
}

double BatchReport::Rate() const {
  return static_cast<double>(created_ + refused_) /
         std::max(absl::ToDoubleSeconds(absl::Now() - start_), 0.001);
}

void BatchReport::ShowProgress(int64_t offset) {
  if (!bar_.enabled()) return;
  v1::Progress progress;
  const std::string rate = absl::StrFormat("tasks, %.0f/s", Rate());
  if (total_bytes_ > 0) {
    progress.set_total(static_cast<double>(total_bytes_));
    progress.set_completed(static_cast<double>(offset));
    progress.set_message(absl::StrCat(created_, " ", rate));
  } else {
    progress.set_completed(static_cast<double>(created_));
    progress.set_message(rate);
  }
  if (refused_ > 0) absl::StrAppend(progress.mutable_message(), ", ", refused_, " refused");
  bar_.Show(progress);
}

void BatchReport::Finish() {
  absl::MutexLock lock(&mu_);
  // Wrong lines behind others whose result will not come any more.
  lines_.erase(std::remove_if(lines_.begin(), lines_.end(), [](const Line& line) { return line.error.ok(); }),
               lines_.end());
  PrintWrongLines();
  std::fflush(stdout);
  bar_.Clear();
  if (quiet_) return;
  std::string summary =
      absl::StrCat("errand: ", created_, created_ == 1 ? " task created" : " tasks created");
  if (refused_ > 0) absl::StrAppend(&summary, ", ", refused_, " refused");
  if (wrong_ > 0) absl::StrAppend(&summary, ", ", wrong_, wrong_ == 1 ? " line" : " lines", " not valid");
  std::fprintf(stderr, "%s (%.2fs, %.0f/s)\n", summary.c_str(), absl::ToDoubleSeconds(absl::Now() - start_),
               Rate());
}

int64_t BatchReport::refused() const {
  absl::MutexLock lock(&mu_);
  return refused_;
}

int64_t BatchReport::wrong() const {
  absl::MutexLock lock(&mu_);
  return wrong_;
}

}  // namespace errand::cli
