#ifndef ERRAND_SERVER_CONFIG_RELOAD_H_
#define ERRAND_SERVER_CONFIG_RELOAD_H_

#include <string>
#include <vector>

#include "server/config/config.h"

namespace errand::config {

// What a configuration that was read again means for a server that runs: a line for people each,
// "log_level: info is now debug".
struct Reloaded {
  std::vector<std::string> taken;
  std::vector<std::string> need_restart;
};

// Moves what can change while the server runs, log_level and drain_timeout, from `next` to `running`; the
// rest of `running` stays, so that it is named again next time.
Reloaded TakeOver(const Config& next, Config& running);

}  // namespace errand::config

#endif  // ERRAND_SERVER_CONFIG_RELOAD_H_
