#include "server/config/config.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/config/byte_size.h"
#include "server/config/config_file.h"
#include "server/task/name.h"
#include "text/nearest_word.h"

namespace errand::config {
namespace {

// Without tasks and clients the server takes about a third of it.
constexpr int64_t kLeastMemory = int64_t{64} << 20;
constexpr int64_t kLeastLuaMemory = int64_t{64} << 20;
constexpr absl::string_view kEnvironmentPrefix = "ERRAND_";

// Where help shows a flag, and whether it is one of the settings: orders to do something else than to serve
// are none.
constexpr char kSettings[] = "Settings";
constexpr char kOrders[] = "Instead of serving";

// Where `cmake --install` and the build tree put it, seen from errandd.
std::string DefaultSandbox() {
  std::error_code ignored;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  const auto installed = folder / ".." / "libexec" / "errand" / "errand-sandbox";
  if (std::filesystem::exists(installed, ignored))
    return std::filesystem::weakly_canonical(installed, ignored);
  return folder / "errand-sandbox";
}

// A value as `--flag`, as ERRAND_FLAG, and as `flag` in the file.
CLI::Option* Flag(CLI::App& app, const std::string& name, CLI::callback_t set, const std::string& help,
                  const std::string& shown_default) {
  CLI::Option* option = app.add_option("--" + name, std::move(set), help);
  option->envname(absl::StrCat(kEnvironmentPrefix, absl::AsciiStrToUpper(name)));
  option->group(kSettings);
  if (!shown_default.empty()) option->default_str(shown_default);
  return option;
}

void DurationFlag(CLI::App& app, const std::string& name, absl::Duration& value, absl::Duration min,
                  absl::Duration max, const std::string& help) {
  Flag(
      app, name,
      [&value, min, max, name](const CLI::results_t& texts) {
        absl::Duration parsed;
        if (!absl::ParseDuration(texts[0], &parsed) || parsed < min || parsed > max) {
          throw CLI::ValidationError(
              absl::StrCat("--", name),
              absl::StrCat("must be a duration from ", absl::FormatDuration(min), " to ",
                           absl::FormatDuration(max), " such as 10s or 1m30s, not '", texts[0], "'"));
        }
        value = parsed;
        return true;
      },
      help, absl::FormatDuration(value))
      ->type_name("DURATION");
}

template <class Integer>
void IntegerFlag(CLI::App& app, const std::string& name, Integer& value, int64_t min, int64_t max,
                 const std::string& help) {
  Flag(
      app, name,
      [&value, min, max, name](const CLI::results_t& texts) {
        int64_t parsed = 0;
        if (!absl::SimpleAtoi(texts[0], &parsed) || parsed < min || parsed > max) {
          throw CLI::ValidationError(
              absl::StrCat("--", name),
              absl::StrCat("must be a whole number from ", min, " to ", max, ", not '", texts[0], "'"));
        }
        value = static_cast<Integer>(parsed);
        return true;
      },
      help, absl::StrCat(value))
      ->type_name("N");
}

void BytesFlag(CLI::App& app, const std::string& name, int64_t& value, int64_t min, int64_t max,
               const std::string& help) {
  Flag(
      app, name,
      [&value, min, max, name](const CLI::results_t& texts) {
        const std::optional<int64_t> parsed = ParseByteSize(texts[0]);
        if (!parsed.has_value() || *parsed < min || *parsed > max) {
          throw CLI::ValidationError(
              absl::StrCat("--", name),
              absl::StrCat("must be a number of bytes from ", FormatByteSize(min), " to ",
                           FormatByteSize(max), " such as 536870912 or 512MiB, not '", texts[0], "'"));
        }
        value = *parsed;
        return true;
      },
      help, FormatByteSize(value))
      ->type_name("BYTES");
}

CLI::Option* StringFlag(CLI::App& app, const std::string& name, std::string& value, const std::string& type,
                        const std::string& help) {
  return Flag(
             app, name,
             [&value](const CLI::results_t& texts) {
               value = texts[0];
               return true;
             },
             help, value)
      ->type_name(type);
}

// What is done instead of serving.
CLI::Option* SwitchFlag(CLI::App& app, const std::string& name, bool& value, const std::string& help) {
  return app.add_flag("--" + name, value, help)
      ->envname(absl::StrCat(kEnvironmentPrefix, absl::AsciiStrToUpper(name)))
      ->group(kOrders);
}

// One of a few words.
void CheckChoice(const std::string& flag, const std::string& value, const std::vector<std::string>& choices) {
  if (absl::c_linear_search(choices, value)) return;
  const std::string all_but_last = absl::StrJoin(choices.begin(), choices.end() - 1, ", ");
  throw CLI::ValidationError(flag, absl::StrCat("must be ", all_but_last, " or ", choices.back(), ", not '",
                                                value, "'", text::Suggestion(value, choices)));
}

void CheckDataFlags(const Config& config) {
  const int asked =
      (config.check_data ? 1 : 0) + (config.repair_data ? 1 : 0) + (config.backup_data.empty() ? 0 : 1);
  if (asked > 1) {
    throw CLI::ValidationError("--check_data, --repair_data and --backup_data", "only one of them at a time");
  }
  if (asked == 1 && config.data_dir.empty()) {
    throw CLI::ValidationError("--data_dir", "must say which folder to check, repair or copy");
  }
}

void CheckListen(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  int port = -1;
  if (colon == std::string::npos || colon == 0 || !absl::SimpleAtoi(listen.substr(colon + 1), &port) ||
      port < 0 || port > 65535) {
    throw CLI::ValidationError(
        "--listen", absl::StrCat("must be HOST:PORT with a port from 0 to 65535, not '", listen, "'"));
  }
}

// What a connection takes that is open and does nothing.
constexpr int64_t kConnectionBytes = int64_t{32} << 10;

// What is kept for files, scripts, mail servers and name servers. A connection takes two (see
// rpc::Connections), and a quarter as many may be on their way in (see rpc::Lobby).
constexpr int64_t kOtherDescriptors = 256;

void SetConnections(Config& config, const Machine& machine) {
  if (config.max_connections == 0) {
    const int64_t descriptors = (machine.descriptors - kOtherDescriptors - config.smtp_connections) * 4 / 9;
    const int64_t memory = config.memory_limit / 8 / kConnectionBytes;
    config.max_connections =
        static_cast<int>(std::clamp(std::min(descriptors, memory), int64_t{16}, int64_t{1'000'000}));
  }
  if (config.max_connections_per_address == 0) {
    config.max_connections_per_address = std::max(1, config.max_connections / 2);
  }
}

// The flags that a file can set.
std::vector<std::string> NamesInFiles(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_configurable()) names.push_back(option->get_lnames().front());
  }
  return names;
}

// What the command line and the environment leave open.
void ReadFile(CLI::App& app, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (std::filesystem::is_directory(path) || !(text << file.rdbuf())) {
    throw CLI::ValidationError("--config", absl::StrCat("cannot read '", path, "'"));
  }
  const auto entries = ParseConfigFile(text.str());
  if (!entries.ok()) throw CLI::ValidationError(path, std::string(entries.status().message()));
  for (const ConfigEntry& entry : *entries) {
    const std::string place = absl::StrCat(path, ": line ", entry.line);
    CLI::Option* option = app.get_option_no_throw(absl::StrCat("--", entry.key));
    if (option == nullptr || !option->get_configurable()) {
      throw CLI::ValidationError(place, absl::StrCat("there is no setting '", entry.key, "'",
                                                     text::Suggestion(entry.key, NamesInFiles(app))));
    }
    if (option->count() > 0) continue;
    if (entry.values.size() > 1 && option->get_items_expected_max() <= 1) {
      throw CLI::ValidationError(place, absl::StrCat("'", entry.key, "' takes one value, not a list"));
    }
    if (option->get_expected_min() == 0) {  // A switch.
      if (entry.values != std::vector<std::string>{"true"} &&
          entry.values != std::vector<std::string>{"false"}) {
        throw CLI::ValidationError(place, absl::StrCat("'", entry.key, "' must be true or false"));
      }
      option->add_result(entry.values[0]);
    } else {
      option->add_result(entry.values);
    }
    try {
      option->run_callback();
    } catch (const CLI::ParseError& error) {
      throw CLI::ValidationError(place, error.what());
    }
  }
}

// What counts now, as a file would say it: without what is not set and has no default.
std::vector<Setting> ListSettings(const CLI::App& app) {
  std::vector<Setting> settings;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group() != kSettings || !option->get_configurable()) continue;
    Setting setting{option->get_lnames().front(), option->get_default_str()};
    if (option->count() > 0) setting.value = absl::StrJoin(option->results(), ",");
    settings.push_back(std::move(setting));
  }
  return settings;
}

std::string PrintConfig(const CLI::App& app, const std::vector<Setting>& settings) {
  std::string text = absl::StrCat("# What errandd ", ERRAND_VERSION, " would run with; for --config.\n");
  for (const auto& [name, value] : settings) {
    const std::string help = app.get_option("--" + name)->get_description();
    absl::StrAppend(&text, "\n# ", help, ".\n", value.empty() ? "# " : "", name, " = ");
    int64_t ignored = 0;
    absl::StrAppend(&text, absl::SimpleAtoi(value, &ignored) ? value : QuoteConfigValue(value), "\n");
  }
  return text;
}

// Variables that look like a flag with a typing error. Others may be anybody's: Kubernetes sets ERRAND_PORT
// for a service named errand.
std::vector<std::string> DoubtfulVariables(const CLI::App& app) {
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_envname().empty()) known.push_back(option->get_envname());
  }
  std::vector<std::string> suffixes;
  suffixes.reserve(known.size());
  for (const std::string& name : known) suffixes.push_back(name.substr(kEnvironmentPrefix.size()));
  std::vector<std::string> warnings;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(*variable, absl::MaxSplits('=', 1));
    absl::string_view suffix = parts.first;
    if (!absl::ConsumePrefix(&suffix, kEnvironmentPrefix) || absl::c_linear_search(known, parts.first))
      continue;
    const std::string nearest = text::NearestWord(suffix, suffixes);
    if (nearest.empty()) continue;
    warnings.push_back(absl::StrCat("the environment's ", parts.first, " is not used; ", kEnvironmentPrefix,
                                    nearest, " would be"));
  }
  return warnings;
}

// What of a command line nobody knows.
std::string DescribeExtras(const CLI::App& app, const std::string& what) {
  for (const std::string& extra : app.remaining()) {
    absl::string_view name = extra;
    if (!absl::ConsumePrefix(&name, "--")) continue;
    name = name.substr(0, name.find('='));
    std::vector<std::string> flags;
    for (const CLI::Option* option : app.get_options()) {
      for (const std::string& flag : option->get_lnames()) flags.push_back(absl::StrCat("--", flag));
    }
    return absl::StrCat("there is no flag --", name, text::Suggestion(absl::StrCat("--", name), flags));
  }
  return what;
}

void Declare(CLI::App& app, Config& config, std::string& file, bool& print, std::string& tls,
             std::vector<std::string>& queue_ids) {
  StringFlag(app, "config", file, "FILE",
             "Read settings from this file, one `name = value` a line (TOML without sections); flags and the "
             "environment count before it, and SIGHUP reads it again")
      ->configurable(false);
  SwitchFlag(app, "check_config", config.check_config,
             "Instead of serving: say whether a server could start with this configuration")
      ->configurable(false);
  SwitchFlag(app, "print_config", print,
             "Instead of serving: print this configuration as a file for --config")
      ->configurable(false);
  StringFlag(app, "listen", config.listen, "HOST:PORT", "Where to serve gRPC; port 0 lets the system choose");
  DurationFlag(app, "drain_timeout", config.drain_timeout, absl::ZeroDuration(), absl::Hours(1),
               "After SIGTERM, how long running tasks may take to finish");
  StringFlag(app, "log_level", config.log_level, "LEVEL", "debug, info, warning, error or off; to stderr");
  BytesFlag(app, "memory_limit", config.memory_limit, kLeastMemory, int64_t{1} << 50,
            "How much memory the server may take; unless told three quarters of the machine's, or of the "
            "cgroup's when that is less");

  IntegerFlag(
      app, "max_connections", config.max_connections, 0, 10'000'000,
      "Connections of clients, the idlest of which are closed when more come; 0: what the limits of memory "
      "and of descriptors allow");
  IntegerFlag(
      app, "max_connections_per_address", config.max_connections_per_address, 0, 10'000'000,
      "The same of one address, or of one /64 network of IPv6; 0: half of --max_connections, so that "
      "clients behind one balancer or NAT get in; where there is none, less keeps one host from taking all");
  IntegerFlag(app, "max_streams_per_connection", config.max_streams_per_connection, 1, 1'000'000,
              "Calls that a connection may have open at once; clients keep more waiting");

  DurationFlag(
      app, "max_connection_age", config.max_connection_age, absl::Seconds(1), absl::InfiniteDuration(),
      "How old a connection may become: then the server says that it will close it, and does after 30s more; "
      "clients connect again, through the balancer");
  DurationFlag(app, "max_connection_idle", config.max_connection_idle, absl::Seconds(1),
               absl::InfiniteDuration(),
               "How long a connection may be without calls before the server closes it");

  StringFlag(
      app, "data_dir", config.data_dir, "DIR",
      "Where tasks, queues and scripts are kept, so that they survive; without it they live in memory");
  SwitchFlag(
      app, "check_data", config.check_data,
      "Instead of serving: read all of --data_dir and say what is there, and what is damaged; nothing is "
      "changed, and no server may be using it");
  SwitchFlag(
      app, "repair_data", config.repair_data,
      "Instead of serving: say what --check_data says, and make a log of what can be read; damaged files are "
      "kept, as NAME.damaged");
  StringFlag(app, "backup_data", config.backup_data, "TO",
             "Instead of serving: copy --data_dir into the folder TO, which must be empty or not be there; a "
             "server may "
             "be using --data_dir meanwhile")
      ->group(kOrders);
  BytesFlag(app, "min_free_space", config.min_free_space, 0, int64_t{1} << 50,
            "New tasks are refused while the disk of --data_dir has less than this free");
  IntegerFlag(app, "queue_max_tasks", config.queue_max_tasks, 1, int64_t{1} << 40,
              "The most tasks of a queue that have not ended; more are refused");
  BytesFlag(app, "queue_max_bytes", config.queue_max_bytes, 1, int64_t{1} << 50,
            "The same in bytes of their requests");
  Flag(
      app, "queues",
      [&queue_ids](const CLI::results_t& texts) {
        queue_ids = texts;
        return true;
      },
      "The only queues there are, separated by commas; without it queues come into being at first use", "")
      ->type_name("ID,...")
      ->expected(1, 10'000)
      ->delimiter(',');
  IntegerFlag(app, "max_ended_tasks", config.max_ended_tasks, 0, int64_t{1} << 40,
              "How many ended tasks are kept to be looked up");
  DurationFlag(app, "max_ended_age", config.max_ended_age, absl::ZeroDuration(), absl::Hours(24 * 366),
               "How long they are kept");
  IntegerFlag(app, "max_task_events", config.max_task_events, 10, 1'000'000,
              "How many events of a task are kept to be watched");
  IntegerFlag(
      app, "max_task_depth", config.max_task_depth, 0, 100,
      "How far a task that a script creates may be below the one that a client created; 0: scripts create "
      "none");
  IntegerFlag(app, "max_task_descendants", config.max_task_descendants, 0, int64_t{1} << 40,
              "The most tasks below one that a client created that have not ended; more are refused");

  IntegerFlag(app, "lua_workers", config.lua_workers, 0, 1024,
              "Lua scripts that run at once, each in a process of its own; unless told one a CPU that may be "
              "used; with "
              "0 Lua tasks are refused");
  BytesFlag(
      app, "lua_memory_limit", config.lua_memory_limit, kLeastLuaMemory, int64_t{1} << 50,
      "How much memory all processes that run Lua may take together, whatever the limits of their scripts "
      "add up to; unless told a quarter of the machine's, or of the cgroup's when that is less");
  StringFlag(app, "sandbox", config.sandbox, "PATH", "The errand-sandbox binary");

  StringFlag(app, "smtp_server", config.smtp_server, "HOST:PORT",
             "The mail server that takes all mail; without it e-mail tasks are refused");
  StringFlag(app, "smtp_profiles", config.smtp_profiles, "FILE",
             "Mail servers, and how to log in there, by the names that tasks use (server/handlers/email/"
             "smtp_profiles.proto); instead of --smtp_server, which is the profile `default`");
  StringFlag(app, "smtp_tls", tls, "MODE", "none, starttls (required, never optional) or implicit");
  StringFlag(app, "smtp_ca_file", config.smtp_ca_file, "FILE",
             "Certificates (PEM) to trust instead of the system's");
  StringFlag(app, "smtp_helo", config.smtp_helo, "NAME", "This host's name in EHLO; default: the system's");
  IntegerFlag(app, "smtp_connections", config.smtp_connections, 1, 10'000,
              "Connections to a mail server, and mails under way, at once");
  DurationFlag(app, "smtp_timeout", config.smtp_timeout, absl::Milliseconds(1), absl::Hours(1),
               "The longest wait for one reply of the mail server");
}

}  // namespace

std::variant<Config, Exit> Parse(int argc, const char* const* argv, const Machine& machine) {
  Config config;
  config.memory_limit = std::max(kLeastMemory, machine.memory_bytes / 4 * 3);
  config.lua_memory_limit = std::max(kLeastLuaMemory, machine.memory_bytes / 4);
  config.lua_workers = machine.cpus;
  config.sandbox = DefaultSandbox();
  std::string file;
  bool print = false;
  std::string tls = "starttls";
  std::vector<std::string> queue_ids;
  CLI::App app(
      "errandd: takes Lua scripts and e-mails over gRPC, runs them, and streams back what happens.\n"
      "Every flag can also be set in the environment, as ERRAND_ and its name in capitals.",
      "errandd");
  app.set_version_flag("--version", absl::StrCat("errandd ", ERRAND_VERSION))->configurable(false);
  app.get_formatter()->column_width(40);
  Declare(app, config, file, print, tls, queue_ids);
  try {
    app.parse(argc, argv);
    if (!file.empty()) ReadFile(app, file);
    CheckListen(config.listen);
    if (!config.smtp_server.empty() && !config.smtp_profiles.empty()) {
      throw CLI::ValidationError("--smtp_server and --smtp_profiles", "only one of them");
    }
    CheckDataFlags(config);
    SetConnections(config, machine);
    const std::map<std::string, SmtpTls> modes = {
        {"none", SmtpTls::kNone}, {"starttls", SmtpTls::kStartTls}, {"implicit", SmtpTls::kImplicit}};
    CheckChoice("--smtp_tls", tls, {"none", "starttls", "implicit"});
    config.smtp_tls = modes.at(tls);
    CheckChoice("--log_level", config.log_level, {"debug", "info", "warning", "error", "off"});
    for (const std::string& id : queue_ids) {
      const absl::Status valid = task::CheckId(id, "--queues");
      if (!valid.ok())
        throw CLI::ValidationError(std::string(valid.message()), absl::StrCat("not '", id, "'"));
      config.queues.push_back(absl::StrCat("queues/", id));
    }
  } catch (const CLI::ExtrasError& error) {
    return Exit{2, absl::StrCat("errandd: ", DescribeExtras(app, error.what()), "\nTry 'errandd --help'.\n")};
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    const int code = app.exit(error, out, err);
    if (code == 0) return Exit{0, out.str()};
    return Exit{2, absl::StrCat("errandd: ", error.what(), "\nTry 'errandd --help'.\n")};
  }
  config.settings = ListSettings(app);
  config.warnings = DoubtfulVariables(app);
  if (print) return Exit{0, PrintConfig(app, config.settings)};
  return config;
}

}  // namespace errand::config
