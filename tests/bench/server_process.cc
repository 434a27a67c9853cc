#include "tests/bench/server_process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "tests/bench/failure.h"

namespace errand::bench {
namespace {

// Finer than the ticks of 10 ms in /proc/PID/stat. Nothing when the process is gone.
absl::Duration CpuOf(pid_t pid) {
  clockid_t clock;
  timespec time;
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) return absl::ZeroDuration();
  return absl::DurationFromTimespec(time);
}

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
    sum += CpuOf(child) + CpuOfDescendants(child);
  }
  return sum;
}

}  // namespace

ServerProcess::ServerProcess(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  int out[2];
  if (pipe(out) != 0) Fail("no more pipes");
  const pid_t bench = getpid();
  pid_ = fork();
  if (pid_ < 0) Fail("cannot fork");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != bench) _exit(127);
    dup2(out[1], STDOUT_FILENO);
    close(out[0]);
    close(out[1]);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  close(out[1]);
  std::string line;
  for (char c; read(out[0], &c, 1) == 1 && c != '\n';) line += c;
  close(out[0]);  // Servers print nothing more.
  absl::string_view address = line;
  if (!absl::ConsumePrefix(&address, "listening on ")) {
    Fail(absl::StrCat("'", absl::StrJoin(command, " "), "' does not start"));
  }
  address_ = std::string(address);
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

CpuTime ServerProcess::Cpu() const { return {CpuOf(pid_), CpuOfDescendants(pid_)}; }

}  // namespace errand::bench
