#include "tests/bench/server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "tests/bench/failure.h"
#include "tests/bench/process_usage.h"

namespace errand::bench {
namespace {

constexpr absl::Duration kStartPatience = absl::Seconds(20);

// The parent of a process, 0 when it is gone.
pid_t ParentOf(const std::filesystem::path& folder) {
  std::ifstream file(folder / "stat");
  std::string stat;
  std::getline(file, stat);
  const size_t name_end = stat.rfind(')');  // The name may hold anything, blanks and brackets included.
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(stat.substr(name_end + 1));
  std::string state;
  pid_t parent = 0;
  fields >> state >> parent;
  return parent;
}

absl::Duration CpuOfDescendants(pid_t pid) {
  absl::Duration sum;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    pid_t child;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &child) || ParentOf(entry.path()) != pid) {
      continue;
    }
    sum += UsageOf(child).cpu + CpuOfDescendants(child);
  }
  return sum;
}

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

ServerProcess::ServerProcess(const std::vector<std::string>& command) {
  const int out = Start(command, true);
  std::string line;
  for (char c; read(out, &c, 1) == 1 && c != '\n';) line += c;
  close(out);  // Servers print nothing more.
  absl::string_view address = line;
  if (!absl::ConsumePrefix(&address, "listening on ")) {
    Fail(absl::StrCat("'", absl::StrJoin(command, " "), "' does not start"));
  }
  address_ = std::string(address);
}

ServerProcess::ServerProcess(const std::vector<std::string>& command, int port)
    : address_(absl::StrCat("127.0.0.1:", port)) {
  Start(command, false);
  const absl::Time deadline = absl::Now() + kStartPatience;
  const sockaddr_in address = Loopback(port);
  for (bool listens = false; !listens;) {
    absl::SleepFor(absl::Milliseconds(10));
    const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    listens = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    close(probe);
    if (!listens && (absl::Now() > deadline || waitpid(pid_, nullptr, WNOHANG) != 0)) {
      Fail(absl::StrCat("'", absl::StrJoin(command, " "), "' does not start"));
    }
  }
}

int ServerProcess::Start(const std::vector<std::string>& command, bool listen) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  int out[2] = {-1, -1};
  if (listen && pipe(out) != 0) Fail("no more pipes");
  const pid_t bench = getpid();
  pid_ = fork();
  if (pid_ < 0) Fail("cannot fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != bench) _exit(127);
    if (listen) {
      dup2(out[1], STDOUT_FILENO);
      close(out[0]);
      close(out[1]);
    } else {
      const int nowhere = open("/dev/null", O_RDWR);
      for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(nowhere, fd);
    }
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  if (listen) close(out[1]);
  return out[0];
}

ServerProcess::~ServerProcess() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

int64_t ServerProcess::ResidentBytes() const {
  std::ifstream fields(absl::StrCat("/proc/", pid_, "/statm"));
  int64_t size = 0;
  int64_t resident = 0;
  fields >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

CpuTime ServerProcess::Cpu() const { return {UsageOf(pid_).cpu, CpuOfDescendants(pid_)}; }

int64_t ServerProcess::WrittenBytes() const { return UsageOf(pid_).written_bytes; }

int FreePort() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    Fail("no more ports");
  }
  close(listener);
  return ntohs(address.sin_port);
}

}  // namespace errand::bench
