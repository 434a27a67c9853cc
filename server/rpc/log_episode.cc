#include "server/rpc/log_episode.h"

#include <utility>

#include "absl/time/time.h"
#include "spdlog/spdlog.h"

namespace errand::rpc {
namespace {

constexpr absl::Duration kQuiet = absl::Seconds(10);

}  // namespace

LogEpisode::LogEpisode(io::Loop* loop, std::string ended)
    : ended_(std::move(ended)), over_(loop, [this] { End(); }) {}

void LogEpisode::Happened(absl::string_view begun, int64_t count) {
  if (!over_.is_set()) spdlog::warn("{}", std::string(begun));
  count_ += count;
  over_.Set(kQuiet);
}

void LogEpisode::End() {
  spdlog::info("{}: {}", ended_, count_);
  count_ = 0;
}

}  // namespace errand::rpc
