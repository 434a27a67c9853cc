#include "server/config/reload.h"

#include "absl/strings/str_cat.h"

namespace errand::config {
namespace {

// The value, or that there is none.
std::string Shown(const std::string& value) { return value.empty() ? "(not set)" : value; }

}  // namespace

Reloaded TakeOver(const Config& next, Config& running) {
  running.log_level = next.log_level;
  running.drain_timeout = next.drain_timeout;
  Reloaded reloaded;
  // Both lists have the same settings in the same order.
  for (size_t i = 0; i < running.settings.size() && i < next.settings.size(); ++i) {
    auto& [name, value] = running.settings[i];
    const std::string& next_value = next.settings[i].value;
    if (value == next_value) continue;
    const bool live = name == "log_level" || name == "drain_timeout";
    (live ? reloaded.taken : reloaded.need_restart)
        .push_back(
            absl::StrCat(name, ": ", Shown(value), live ? " is now " : " would become ", Shown(next_value)));
    if (live) value = next_value;
  }
  return reloaded;
}

}  // namespace errand::config
