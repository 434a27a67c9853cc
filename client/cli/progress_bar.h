#ifndef ERRAND_CLIENT_CLI_PROGRESS_BAR_H_
#define ERRAND_CLIENT_CLI_PROGRESS_BAR_H_

#include <string>

#include "absl/time/time.h"
#include "client/cli/terminal.h"
#include "errand/v1/task.pb.h"

namespace errand::cli {

// "[######------]  50% reading" on the last line of standard error, if that is a terminal; otherwise
// nothing is ever written.
class ProgressBar {
 public:
  explicit ProgressBar(bool enabled);
  ~ProgressBar() { Clear(); }

  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  bool enabled() const { return enabled_; }

  // Shows `progress`; at most every 50 ms, except for the last step.
  void Show(const v1::Progress& progress);

  // Takes the bar off the screen, for another line to be written there.
  void Clear();

  // Puts it back.
  void Redraw();

 private:
  const bool enabled_;
  std::string line_;
  bool visible_ = false;
  absl::Time drawn_ = absl::InfinitePast();
};

// "3/10  30%  reading", as text. Without a total the unit count alone.
std::string DescribeProgress(const v1::Progress& progress);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_PROGRESS_BAR_H_
