#ifndef ERRAND_SERVER_CONFIG_CONFIG_FILE_H_
#define ERRAND_SERVER_CONFIG_CONFIG_FILE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// Config files: that part of TOML which a flat list of settings needs, and INI's plain values.
//
//   # A comment; so is a line that starts with a semicolon.
//   listen = "localhost:50051"    # "..." with TOML's escapes
//   data_dir = '/srv/a#b'         # '...' without any
//   lua_workers = 4               # a plain value ends at a # after a blank, or with the line
//   queues = ["mail",             # a list may go over several lines
//             "reports"]
namespace errand::config {

struct ConfigEntry {
  int line = 0;  // From 1.
  std::string key;
  std::vector<std::string> values;  // One, unless it is a list.
};

// The settings in the order of the file. INVALID_ARGUMENT, starting with "line N: ", for what is no setting,
// a section, and a key that is there twice.
absl::StatusOr<std::vector<ConfigEntry>> ParseConfigFile(absl::string_view text);

// A value as ParseConfigFile reads it back.
std::string QuoteConfigValue(absl::string_view value);

}  // namespace errand::config

#endif  // ERRAND_SERVER_CONFIG_CONFIG_FILE_H_
