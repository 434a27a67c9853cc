#include "server/rpc/throttled_log.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace errand::rpc {

namespace {

spdlog::level::level_enum ToSpdlog(ThrottledLog::Level level) {
  switch (level) {
    case ThrottledLog::Level::kDebug:
      return spdlog::level::debug;
    case ThrottledLog::Level::kInfo:
      return spdlog::level::info;
    case ThrottledLog::Level::kWarning:
      return spdlog::level::warn;
    case ThrottledLog::Level::kError:
      break;
  }
  return spdlog::level::err;
}

}  // namespace

void ThrottledLog::Write(Level severity, absl::string_view text) {
  const spdlog::level::level_enum level = ToSpdlog(severity);
  if (!spdlog::should_log(level)) return;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const int64_t second = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  int64_t left_out = 0;
  {
    absl::MutexLock lock(&mu_);
    if (second_ != second) lines_ = 0;
    second_ = second;
    if (lines_ >= lines_a_second_) {
      ++left_out_;
      return;
    }
    ++lines_;
    left_out = std::exchange(left_out_, 0);
  }
  spdlog::log(level, "{}",
              left_out == 0 ? std::string(text)
                            : absl::StrCat(text, " (", left_out, " lines like it were left out before)"));
}

}  // namespace errand::rpc
