#include "client/cli/progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/cli/display_width.h"
#include "client/cli/printable.h"

namespace errand::cli {
namespace {

constexpr int kBarWidth = 24;
constexpr absl::Duration kMinInterval = absl::Milliseconds(50);

// 0 to 1; scripts may report what they like.
double Fraction(const v1::Progress& progress) {
  const double fraction = progress.completed() / progress.total();
  return std::isfinite(fraction) ? std::clamp(fraction, 0.0, 1.0) : 0;
}

}  // namespace

ProgressBar::ProgressBar(bool enabled) : enabled_(enabled && Terminal::Of(STDERR_FILENO).can_move) {}

void ProgressBar::Show(const v1::Progress& progress) {
  if (!enabled_) return;
  const bool last = progress.total() > 0 && progress.completed() >= progress.total();
  const absl::Time now = absl::Now();
  if (!last && now - drawn_ < kMinInterval) return;
  drawn_ = now;
  std::string line;
  if (progress.total() > 0) {
    const double fraction = Fraction(progress);
    const int done = static_cast<int>(fraction * kBarWidth);
    line = absl::StrCat("[", std::string(done, '#'), std::string(kBarWidth - done, '-'), "] ",
                        absl::StrFormat("%3d%%", static_cast<int>(fraction * 100)));
  } else {
    line = absl::StrFormat("[%s] %g", std::string(kBarWidth, '.'), progress.completed());
  }
  if (!progress.message().empty()) absl::StrAppend(&line, " ", Printable(progress.message()));
  // A full line would wrap, and then could not be taken back.
  line_ = CutToWidth(line, Columns(STDERR_FILENO) - 1);
  Redraw();
}

void ProgressBar::Clear() {
  if (!visible_) return;
  std::fputs("\r\x1b[K", stderr);
  visible_ = false;
}

void ProgressBar::Redraw() {
  if (!enabled_ || line_.empty()) return;
  std::fprintf(stderr, "\r%s\x1b[K", line_.c_str());
  visible_ = true;
}

std::string DescribeProgress(const v1::Progress& progress) {
  std::string text;
  if (progress.total() > 0) {
    text = absl::StrFormat("%g/%g %d%%", progress.completed(), progress.total(),
                           static_cast<int>(Fraction(progress) * 100));
  } else {
    text = absl::StrFormat("%g", progress.completed());
  }
  if (!progress.message().empty()) absl::StrAppend(&text, "  ", Printable(progress.message()));
  return text;
}

}  // namespace errand::cli
