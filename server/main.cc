// errandd: builds the objects, owns the signals and the order of shutdown.
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <pthread.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "google/protobuf/stubs/logging.h"
#include "server/clock/instant.h"
#include "server/config/config.h"
#include "server/config/machine.h"
#include "server/config/reload.h"
#include "server/executor/executor.h"
#include "server/handlers/email/email_handler.h"
#include "server/handlers/email/profile_file.h"
#include "server/handlers/lua/lua_handler.h"
#include "server/handlers/lua/source_checker.h"
#include "server/handlers/lua/zygote.h"
#include "server/io/loop.h"
#include "server/rpc/grpc_log.h"
#include "server/rpc/server.h"
#include "server/service/child_tasks.h"
#include "server/service/health_service.h"
#include "server/service/queues_service.h"
#include "server/service/scripts_service.h"
#include "server/service/tasks_service.h"
#include "server/service/unimplemented_service.h"
#include "server/store/log/data_backup.h"
#include "server/store/log/data_check.h"
#include "server/store/log/data_repair.h"
#include "server/store/log/log_journal.h"
#include "server/store/log/posix_file_system.h"
#include "server/store/memory/memory_store.h"

// jemalloc(3), TUNING: memory that was freed goes back to the system also when the server has nothing to do.
extern "C" const char* const malloc_conf;
const char* const malloc_conf = "background_thread:true";

namespace {

namespace config = errand::config;
namespace executor = errand::executor;
namespace handlers = errand::handlers;
namespace io = errand::io;
namespace rpc = errand::rpc;
namespace service = errand::service;
namespace store = errand::store;

constexpr absl::Duration kLeaseDuration = absl::Seconds(30);
// For a script that is to be registered: nothing else waits for it.
constexpr absl::Duration kCompilePatience = absl::Seconds(5);
// What an open call takes that nothing happens on.
constexpr int64_t kStreamBytes = int64_t{16} << 10;
// After the drain: for answers that are being written.
constexpr absl::Duration kLastWrites = absl::Seconds(1);

// What may take how many sixteenths of --memory_limit. Two more are for connections that do nothing
// (config.cc), and what is left is for what the server takes by itself. gRPC's own count of all that it keeps
// for calls, which is not exact, is a fuse behind that.
constexpr int64_t kStoreParts = 5;       // Tasks, events, results, scripts.
constexpr int64_t kStreamsParts = 2;     // Calls that are open.
constexpr int64_t kUnansweredParts = 2;  // Requests that are not whole yet, or not answered.
constexpr int64_t kAbandonedParts = 1;   // Calls whose client has gone.
constexpr int64_t kUnreadParts = 1;      // Answers that clients leave unread.
constexpr int64_t kScriptsParts = 1;     // Scripts that wait, and their tasks; and what they share.

sigset_t SignalSet(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : signals) sigaddset(&set, number);
  return set;
}

// Every thread made later inherits the mask, so that only WaitForEnd sees these signals.
void BlockSignals() {
  const sigset_t signals = SignalSet({SIGINT, SIGTERM, SIGHUP});
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

// Returns at the first signal to end, with its number; the next one ends the process at once. SIGHUP calls
// `reload`, and never ends anything.
template <class Reload>
int WaitForEnd(Reload reload) {
  const sigset_t signals = SignalSet({SIGINT, SIGTERM, SIGHUP});
  int received = 0;
  for (sigwait(&signals, &received); received == SIGHUP; sigwait(&signals, &received)) reload();
  const sigset_t ends = SignalSet({SIGINT, SIGTERM});
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &ends, nullptr);
  return received;
}

// The soft limit is 1,024 in most places for the sake of select(2), which nothing here uses.
void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// What Protobuf finds wrong with what clients send: they are told, and could fill the log with it.
void LogProtobuf(google::protobuf::LogLevel, const char*, int, const std::string& message) {
  spdlog::debug("protobuf: {}", message);
}

void StartLog(const std::string& level) {
  // stdout is for the line that says where the server listens.
  spdlog::set_default_logger(spdlog::stderr_color_mt("errandd"));
  spdlog::set_level(spdlog::level::from_str(level));
  google::protobuf::SetLogHandler(&LogProtobuf);
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
  rpc::TakeGrpcLog();
}

std::string HostName() {
  char name[HOST_NAME_MAX + 1] = "";
  return gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

int64_t Parts(const config::Config& config, int64_t sixteenths) {
  return config.memory_limit / 16 * sixteenths;
}

bool DeliversMail(const config::Config& config) {
  return !config.smtp_server.empty() || !config.smtp_profiles.empty();
}

store::StoreOptions StoreOptions(const config::Config& config) {
  store::StoreOptions options;
  options.max_memory_bytes = Parts(config, kStoreParts);
  options.max_queue_tasks = config.queue_max_tasks;
  options.max_queue_bytes = config.queue_max_bytes;
  options.fixed_queues = config.queues;
  if (config.lua_workers == 0) {
    options.unclaimed[errand::task::HandlerKind::kLua] = "it was started with --lua_workers=0";
  }
  if (!DeliversMail(config)) {
    options.unclaimed[errand::task::HandlerKind::kEmail] =
        "it was started without --smtp_server or --smtp_profiles";
  }
  options.max_ended_tasks = config.max_ended_tasks;
  options.max_ended_age = config.max_ended_age;
  options.max_task_events = config.max_task_events;
  options.max_task_depth = config.max_task_depth;
  options.max_task_descendants = config.max_task_descendants;
  return options;
}

rpc::ServerOptions ServerOptions(const config::Config& config, const config::Machine& machine) {
  rpc::ServerOptions options;
  options.listen = config.listen;
  options.max_connections = config.max_connections;
  options.max_connections_per_address = config.max_connections_per_address;
  options.unary_loops = machine.cpus;
  options.stream_loops = std::max(1, options.unary_loops / 2);
  options.max_connection_age = config.max_connection_age;
  options.max_connection_idle = config.max_connection_idle;
  options.guard.streams_of_connection = config.max_streams_per_connection;
  options.guard.streams =
      std::max(Parts(config, kStreamsParts) / kStreamBytes, int64_t{config.max_streams_per_connection});
  options.guard.unanswered_bytes =
      std::max(Parts(config, kUnansweredParts), int64_t{2} * options.max_message_bytes);
  options.guard.abandoned_bytes = std::min(Parts(config, kAbandonedParts), options.guard.abandoned_bytes);
  // At least two of the largest messages must fit.
  options.max_buffer_bytes = std::max(config.memory_limit / 2, int64_t{2} * options.max_message_bytes);
  return options;
}

// What the flags say of the mail server.
handlers::SmtpProfile DefaultProfile(const config::Config& config) {
  handlers::SmtpProfile options;
  options.server = config.smtp_server;
  switch (config.smtp_tls) {
    case config::SmtpTls::kNone:
      options.tls = handlers::TlsMode::kNone;
      break;
    case config::SmtpTls::kStartTls:
      options.tls = handlers::TlsMode::kStartTls;
      break;
    case config::SmtpTls::kImplicit:
      options.tls = handlers::TlsMode::kImplicit;
      break;
  }
  options.ca_file = config.smtp_ca_file;
  options.helo_name = config.smtp_helo;
  options.connections = config.smtp_connections;
  handlers::SmtpTimeouts& timeouts = options.timeouts;
  for (absl::Duration* timeout : {&timeouts.greeting, &timeouts.hello, &timeouts.mail, &timeouts.recipient,
                                  &timeouts.data, &timeouts.block}) {
    *timeout = config.smtp_timeout;
  }
  // Servers may take longer over a whole message (RFC 5321 section 4.5.3.2.6).
  timeouts.final_dot = 2 * config.smtp_timeout;
  return options;
}

absl::StatusOr<handlers::EmailHandlerOptions> EmailOptions(const config::Config& config) {
  handlers::EmailHandlerOptions options;
  if (config.smtp_profiles.empty()) {
    options.profiles.push_back(DefaultProfile(config));
    return options;
  }
  auto profiles = handlers::ReadSmtpProfiles(config.smtp_profiles, DefaultProfile(config));
  if (!profiles.ok()) return profiles.status();
  options.profiles = *std::move(profiles);
  return options;
}

int Fail(absl::string_view what, const absl::Status& status) {
  spdlog::error("{}: {}", std::string(what), std::string(status.message()));
  return 1;
}

store::log::SegmentOptions SegmentOptions(const config::Config& config, service::HealthService& health) {
  store::log::SegmentOptions options;
  options.min_free_bytes = static_cast<uint64_t>(config.min_free_space);
  options.on_space = [&health](store::log::Space space, uint64_t free_bytes) {
    health.SetTakesNew(space == store::log::Space::kEnough);
    switch (space) {
      case store::log::Space::kEnough:
        spdlog::info("the disk of --data_dir has space again: new tasks are taken");
        break;
      case store::log::Space::kLow:
        spdlog::error("the disk of --data_dir has {} bytes left: new tasks are refused, the others go on",
                      free_bytes);
        break;
      case store::log::Space::kNone:
        spdlog::error(
            "the disk of --data_dir is full: no attempt starts and nothing is changed until there is space");
        break;
    }
  };
  return options;
}

// In `folder` if there is a data folder.
absl::StatusOr<std::unique_ptr<store::TaskStore>> OpenStore(
    const config::Config& config, store::StoreOptions options, service::HealthService& health,
    std::unique_ptr<store::log::PosixFileSystem>& folder) {
  if (config.data_dir.empty()) return std::make_unique<store::MemoryStore>(std::move(options));
  auto locked = store::log::PosixFileSystem::OpenFolder(config.data_dir);
  if (!locked.ok()) return locked.status();
  folder = *std::move(locked);
  auto journal = store::log::LogJournal::Open(folder.get(), SegmentOptions(config, health));
  if (!journal.ok()) return journal.status();
  const store::log::LogJournal& log = **journal;
  auto opened = store::MemoryStore::Open(std::move(options), *std::move(journal));
  if (absl::IsDataLoss(opened.status())) {
    return absl::DataLossError(absl::StrCat(
        opened.status().message(), "; errandd with --check_data says what is lost, and what can be done"));
  }
  if (!opened.ok()) return opened.status();
  if (log.read_end().torn) {
    spdlog::warn("{}: what a write that was interrupted has left is ignored; nobody was told that it is safe",
                 config.data_dir);
  }
  return opened;
}

// What is asked for instead of serving.
absl::Status WorkOnData(const config::Config& config) {
  using store::log::PosixFileSystem;
  const auto say = [](absl::string_view line) {
    std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
    std::fflush(stdout);  // What a repair says is said before it is done.
  };
  if (!config.backup_data.empty()) {
    const auto from = PosixFileSystem::OpenFolderToRead(config.data_dir);
    if (!from.ok()) return from.status();
    const auto to = PosixFileSystem::OpenFolder(config.backup_data);
    if (!to.ok()) return to.status();
    return store::log::BackupData(**from, **to, say);
  }
  const auto folder = PosixFileSystem::OpenExistingFolder(config.data_dir);
  if (absl::IsFailedPrecondition(folder.status())) {
    return absl::FailedPreconditionError(absl::StrCat(
        folder.status().message(), ": stop that first, or make a --backup_data, which is checked, too"));
  }
  if (!folder.ok()) return folder.status();
  return config.repair_data ? store::log::RepairData(**folder, say) : store::log::CheckData(**folder, say);
}

// What a start would find wrong, without changing anything: what Parse cannot see.
absl::Status CheckConfig(const config::Config& config) {
  if (config.lua_workers > 0 && access(config.sandbox.c_str(), X_OK) != 0) {
    return absl::FailedPreconditionError(absl::StrCat("--sandbox: cannot run '", config.sandbox, "'"));
  }
  if (!DeliversMail(config)) return absl::OkStatus();
  const auto options = EmailOptions(config);
  if (!options.ok()) return options.status();
  io::Loop loop;
  return handlers::EmailHandler::Create(*options, &loop).status();
}

// `parse` reads the configuration again.
template <class Parse>
void Reload(Parse parse, config::Config& running) {
  auto parsed = parse();
  if (const auto* exit = std::get_if<config::Exit>(&parsed)) {
    spdlog::error("SIGHUP: the configuration stays as it is: {}",
                  std::string(absl::StripAsciiWhitespace(exit->output)));
    return;
  }
  const auto& next = std::get<config::Config>(parsed);
  const config::Reloaded reloaded = config::TakeOver(next, running);
  spdlog::set_level(spdlog::level::from_str(running.log_level));
  for (const std::string& line : reloaded.taken) spdlog::info("SIGHUP: {}", line);
  for (const std::string& line : reloaded.need_restart) spdlog::warn("SIGHUP: {} with a restart", line);
  if (reloaded.taken.empty() && reloaded.need_restart.empty()) {
    spdlog::info("SIGHUP: the configuration is the same as before");
  }
}

// `parse` reads the configuration again.
template <class Parse>
int Run(config::Config config, const config::Machine& machine, Parse parse) {
  RaiseDescriptorLimit();
  BlockSignals();
  StartLog(config.log_level);
  for (const std::string& warning : config.warnings) spdlog::warn("{}", warning);

  // Destroyed from the last to the first: whoever is borrowed comes before whoever borrows.
  service::HealthService health({"errand.v1.Tasks", "errand.v1.Queues", "errand.v1.Scripts"},
                                /*creating=*/{"errand.v1.Tasks", "errand.v1.Scripts"});
  std::unique_ptr<store::log::PosixFileSystem> folder;
  store::StoreOptions store_options = StoreOptions(config);
  absl::StatusOr<handlers::EmailHandlerOptions> mail;
  if (DeliversMail(config)) {
    mail = EmailOptions(config);
    if (!mail.ok()) return Fail("cannot deliver e-mail", mail.status());
    for (const handlers::SmtpProfile& profile : mail->profiles) {
      store_options.email_profiles.push_back(profile.name);
    }
  }
  for (const auto& [kind, why] : store_options.unclaimed) {
    spdlog::warn("tasks with `{}` are refused: this server runs none, since {}",
                 std::string(errand::task::KindName(kind)), why);
  }
  store_options.on_failure = [&health](const absl::Status& why) {
    spdlog::critical("{}; no more work is taken, restart the server when that is mended",
                     std::string(why.message()));
    health.SetNotServing();
  };
  auto opened = OpenStore(config, std::move(store_options), health, folder);
  if (!opened.ok()) return Fail("cannot use " + config.data_dir, opened.status());
  store::TaskStore& store = **opened;
  io::Loop lua_loop;
  io::Loop email_loop;
  io::Loop children_loop;
  executor::Executor executor(&store, &children_loop, kLeaseDuration, HostName());

  service::ChildTasks children(&store);
  std::unique_ptr<handlers::Zygote> zygote;
  std::unique_ptr<handlers::LuaHandler> lua;
  std::unique_ptr<handlers::SourceChecker> checker;
  std::unique_ptr<handlers::SourceChecker> compiler;
  service::SourceCheck check_source;
  service::Compiler compile;
  if (config.lua_workers > 0) {
    auto started = handlers::Zygote::Start(config.sandbox, &lua_loop);
    if (!started.ok()) return Fail("cannot run Lua", started.status());
    zygote = *std::move(started);
    handlers::LuaHandlerOptions options;
    options.workers = config.lua_workers;
    options.process_bytes = static_cast<size_t>(config.lua_memory_limit);
    options.kept_bytes = static_cast<size_t>(Parts(config, kScriptsParts) / 3 * 2);
    options.shared_bytes = static_cast<size_t>(Parts(config, kScriptsParts) / 3);
    options.submit = [&children, &children_loop](handlers::Submitter submitter, std::string request,
                                                 absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) {
      children_loop.Post([&children, submitter = std::move(submitter), request = std::move(request),
                          done = std::move(done)]() mutable {
        children.Submit({std::move(submitter.task), submitter.lease_token}, request, std::move(done));
      });
    };
    auto created = handlers::LuaHandler::Create(std::move(options), zygote.get());
    if (!created.ok()) return Fail("cannot run Lua", created.status());
    lua = *std::move(created);
    executor.AddHandler(errand::task::HandlerKind::kLua, lua.get(), &lua_loop);
    checker = std::make_unique<handlers::SourceChecker>(zygote.get());
    check_source = [&checker](std::string field, const std::string& source,
                              absl::AnyInvocable<void(absl::Status)> done) {
      checker->Check(std::move(field), source, std::move(done));
    };
    // A process of its own: a source that takes long holds no submission up.
    compiler = std::make_unique<handlers::SourceChecker>(zygote.get(), kCompilePatience);
    compile = [&compiler](const std::string& source,
                          absl::AnyInvocable<void(absl::StatusOr<handlers::SourceChecker::Problems>)> done) {
      compiler->Compile(source, std::move(done));
    };
  }
  std::unique_ptr<handlers::EmailHandler> email;
  if (mail.ok()) {
    auto created = handlers::EmailHandler::Create(*mail, &email_loop);
    if (!created.ok()) return Fail("cannot deliver e-mail", created.status());
    email = *std::move(created);
    executor.AddHandler(errand::task::HandlerKind::kEmail, email.get(), &email_loop);
  }

  service::TasksService tasks(&store, std::move(check_source), Parts(config, kUnreadParts));
  service::QueuesService queues(&store);
  service::ScriptsService scripts(&store, std::move(compile));
  service::UnimplementedService unimplemented;
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  rpc::Server server(ServerOptions(config, machine));
  tasks.Register(server);
  queues.Register(server);
  scripts.Register(server);
  health.Register(server);
  unimplemented.Register(server);
  auto address = server.Start();
  if (!address.ok()) return Fail("cannot listen on " + config.listen, address.status());
  tasks.Arm(server);
  queues.Arm(server);
  scripts.Arm(server);
  health.Arm(server);
  unimplemented.Arm(server);
  server.Run();
  executor.Start();
  std::printf("listening on %s\n", address->c_str());
  std::fflush(stdout);

  const int received = WaitForEnd([&] { Reload(parse, config); });
  spdlog::info("{}: draining for at most {}", strsignal(received),
               absl::FormatDuration(config.drain_timeout));
  health.SetNotServing();
  tasks.RefuseWork();
  executor.Drain(errand::clock::Instant::Now() + config.drain_timeout);
  tasks.EndStreams(errand::clock::Instant::Now() + kLastWrites);
  health.EndStreams();
  server.Shutdown(errand::clock::Instant::Now() + kLastWrites);
  store.Close();
  spdlog::info("stopped");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // Debian builds Abseil with it, at a tenth of the cost of a call.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const config::Machine machine = config::ReadMachine("");
  const auto parse = [argc, argv, &machine] { return config::Parse(argc, argv, machine); };
  auto parsed = parse();
  if (const auto* exit = std::get_if<config::Exit>(&parsed)) {
    std::fputs(exit->output.c_str(), exit->code == 0 ? stdout : stderr);
    return exit->code;
  }
  const auto& config = std::get<config::Config>(parsed);
  absl::Status done;
  if (config.check_config) {
    done = CheckConfig(config);
  } else if (config.check_data || config.repair_data || !config.backup_data.empty()) {
    done = WorkOnData(config);
  } else {
    return Run(config, machine, parse);
  }
  if (!done.ok()) std::fprintf(stderr, "errandd: %s\n", std::string(done.message()).c_str());
  return done.ok() ? 0 : 1;
}
