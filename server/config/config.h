#ifndef ERRAND_SERVER_CONFIG_CONFIG_H_
#define ERRAND_SERVER_CONFIG_CONFIG_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "server/config/machine.h"

namespace errand::config {

enum class SmtpTls { kNone, kStartTls, kImplicit };

// One setting as the command line, the environment and a config file know it.
struct Setting {
  std::string name;
  std::string value;
};

// Everything an operator can set, checked.
struct Config {
  std::string listen = "localhost:50051";
  absl::Duration drain_timeout = absl::Seconds(10);
  std::string log_level = "info";
  int64_t memory_limit = 0;  // Bytes; Parse sets it from the machine's.

  // Connections of clients, in all and from one address; Parse sets them where they are not told.
  int max_connections = 0;
  int max_connections_per_address = 0;
  int max_streams_per_connection = 1000;
  absl::Duration max_connection_age = absl::InfiniteDuration();
  absl::Duration max_connection_idle = absl::InfiniteDuration();
  // Whether to check all of this instead of serving.
  bool check_config = false;

  std::string data_dir;  // Empty: tasks live in memory.
  // Work on `data_dir` to be done instead of serving; at most one of them.
  bool check_data = false;
  bool repair_data = false;
  std::string backup_data;  // Where to.
  int64_t min_free_space = int64_t{256} << 20;
  int64_t queue_max_tasks = 1'000'000;
  int64_t queue_max_bytes = int64_t{1} << 30;
  std::vector<std::string> queues;  // `queues/{queue}`; empty: at first use.
  int64_t max_ended_tasks = 100'000;
  absl::Duration max_ended_age = absl::Hours(1);
  int64_t max_task_events = 1'000;
  int32_t max_task_depth = 16;
  int64_t max_task_descendants = 10'000;

  int lua_workers = 1;           // 0: this server runs no Lua. Parse sets it from the machine's CPUs.
  int64_t lua_memory_limit = 0;  // Bytes; Parse sets it from the machine's.
  std::string sandbox;           // The errand-sandbox binary.

  std::string smtp_server;    // Empty, like smtp_profiles: this server delivers no mail.
  std::string smtp_profiles;  // A file; not with smtp_server.
  SmtpTls smtp_tls = SmtpTls::kStartTls;
  std::string smtp_ca_file;
  std::string smtp_helo;
  int smtp_connections = 64;
  absl::Duration smtp_timeout = absl::Minutes(5);

  // All that is set above and is no order to do something else, by name: what would be told to another server
  // to have it run as this one does.
  std::vector<Setting> settings;
  // What somebody may have meant otherwise; for the log.
  std::vector<std::string> warnings;
};

// What to do instead of running: `--help`, `--version`, `--print_config` or bad input.
struct Exit {
  int code;
  std::string output;  // For stdout when the code is 0, otherwise for stderr.
};

// Reads the command line, then the environment (ERRAND_LISTEN for --listen), then the file named by
// --config (see config_file.h); the first that says something counts. What none says may depend on `machine`.
std::variant<Config, Exit> Parse(int argc, const char* const* argv, const Machine& machine);

}  // namespace errand::config

#endif  // ERRAND_SERVER_CONFIG_CONFIG_H_
