#ifndef ERRAND_SERVER_RPC_LOG_EPISODE_H_
#define ERRAND_SERVER_RPC_LOG_EPISODE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "server/io/loop.h"
#include "server/io/timer.h"

namespace errand::rpc {

// Something that happens again and again while it lasts, and is worth two lines of the log: one when it
// begins, and one, with how often, when it has not happened for ten seconds. On the loop's thread.
class LogEpisode {
 public:
  // `ended` is what it says at the end, before the count.
  LogEpisode(io::Loop* loop, std::string ended);

  // It happened, to `count` more. `begun` is logged when that begins an episode.
  void Happened(absl::string_view begun, int64_t count = 1);

 private:
  void End();

  const std::string ended_;
  int64_t count_ = 0;
  io::Timer over_;
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_LOG_EPISODE_H_
