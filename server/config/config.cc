#include "server/config/config.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/config/byte_size.h"
#include "server/task/name.h"

namespace errand::config {
namespace {

// Without tasks and clients the server takes about a third of it.
constexpr int64_t kLeastMemory = int64_t{64} << 20;

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
  option->envname(absl::StrCat("ERRAND_", absl::AsciiStrToUpper(name)));
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

void StringFlag(CLI::App& app, const std::string& name, std::string& value, const std::string& type,
                const std::string& help) {
  Flag(
      app, name,
      [&value](const CLI::results_t& texts) {
        value = texts[0];
        return true;
      },
      help, value)
      ->type_name(type);
}

// What is done instead of serving.
void SwitchFlag(CLI::App& app, const std::string& name, bool& value, const std::string& help) {
  app.add_flag("--" + name, value, help)->envname(absl::StrCat("ERRAND_", absl::AsciiStrToUpper(name)));
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

void Declare(CLI::App& app, Config& config, std::string& tls, std::vector<std::string>& queue_ids) {
  app.set_config("--config", "", "Read flags from this file (TOML or INI), one `flag = value` a line");
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
             "be using --data_dir meanwhile");
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
      app, "lua_workers", config.lua_workers, 0, 1024,
      "Lua scripts that run at once, each in a process of its own; unless told one a CPU that may be used; 0 "
      "runs none here");
  StringFlag(app, "sandbox", config.sandbox, "PATH", "The errand-sandbox binary");

  StringFlag(app, "smtp_server", config.smtp_server, "HOST:PORT",
             "The mail server that takes all mail; without it e-mail tasks wait in their queues");
  StringFlag(app, "smtp_tls", tls, "MODE", "none, starttls (required, never optional) or implicit");
  StringFlag(app, "smtp_ca_file", config.smtp_ca_file, "FILE",
             "Certificates (PEM) to trust instead of the system's");
  StringFlag(app, "smtp_helo", config.smtp_helo, "NAME",
             "This host's name in EHLO and in Message-ID; default: the system's");
  IntegerFlag(app, "smtp_connections", config.smtp_connections, 1, 10'000, "Mails under way at once");
  DurationFlag(app, "smtp_timeout", config.smtp_timeout, absl::Milliseconds(1), absl::Hours(1),
               "The longest wait for one reply of the mail server");
}

}  // namespace

std::variant<Config, Exit> Parse(int argc, const char* const* argv, const Machine& machine) {
  Config config;
  config.memory_limit = std::max(kLeastMemory, machine.memory_bytes / 4 * 3);
  config.lua_workers = machine.cpus;
  config.sandbox = DefaultSandbox();
  std::string tls = "starttls";
  std::vector<std::string> queue_ids;
  CLI::App app(
      "errandd: takes Lua scripts and e-mails over gRPC, runs them, and streams back what happens.\n"
      "Every flag can also be set in the environment, as ERRAND_ and its name in capitals.",
      "errandd");
  app.set_version_flag("--version", absl::StrCat("errandd ", ERRAND_VERSION));
  app.get_formatter()->column_width(40);
  Declare(app, config, tls, queue_ids);
  try {
    app.parse(argc, argv);
    CheckListen(config.listen);
    CheckDataFlags(config);
    SetConnections(config, machine);
    const std::map<std::string, SmtpTls> modes = {
        {"none", SmtpTls::kNone}, {"starttls", SmtpTls::kStartTls}, {"implicit", SmtpTls::kImplicit}};
    if (modes.count(tls) == 0) {
      throw CLI::ValidationError("--smtp_tls",
                                 absl::StrCat("must be none, starttls or implicit, not '", tls, "'"));
    }
    config.smtp_tls = modes.at(tls);
    const std::vector<std::string> levels = {"debug", "info", "warning", "error", "off"};
    if (std::find(levels.begin(), levels.end(), config.log_level) == levels.end()) {
      throw CLI::ValidationError(
          "--log_level",
          absl::StrCat("must be debug, info, warning, error or off, not '", config.log_level, "'"));
    }
    for (const std::string& id : queue_ids) {
      const absl::Status valid = task::CheckId(id, "--queues");
      if (!valid.ok())
        throw CLI::ValidationError(std::string(valid.message()), absl::StrCat("not '", id, "'"));
      config.queues.push_back(absl::StrCat("queues/", id));
    }
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    const int code = app.exit(error, out, err);
    if (code == 0) return Exit{0, out.str()};
    return Exit{2, absl::StrCat("errandd: ", error.what(), "\nTry 'errandd --help'.\n")};
  }
  return config;
}

}  // namespace errand::config
