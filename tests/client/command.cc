#include "tests/client/command.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "tests/paths/paths.h"

extern char** environ;

namespace errand {
namespace {

constexpr int kPatienceMillis = 60'000;

// A pair of descriptors: what we read, and what the process writes to.
struct Ends {
  int ours = -1;
  int theirs = -1;
};

Ends MakePipe() {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  return {ends[0], ends[1]};
}

Ends MakeTerminal() {
  Ends ends;
  winsize size{};
  size.ws_col = 60;
  size.ws_row = 24;
  EXPECT_EQ(openpty(&ends.ours, &ends.theirs, nullptr, nullptr, &size), 0);
  fcntl(ends.ours, F_SETFD, FD_CLOEXEC);
  fcntl(ends.theirs, F_SETFD, FD_CLOEXEC);
  return ends;
}

std::vector<std::string> Environment(std::vector<std::string> wanted) {
  std::vector<std::string> result = std::move(wanted);
  const size_t given = result.size();
  const auto add = [&](const std::string& entry) {
    const std::string name = entry.substr(0, entry.find('=') + 1);
    for (size_t i = 0; i < given; ++i) {
      if (absl::StartsWith(result[i], name)) return;
    }
    result.push_back(entry);
  };
  add("TERM=xterm");
  add("TZ=UTC");
  // Sanitizers are told what to do by the environment.
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (absl::StrContains(*entry, "SAN_OPTIONS=")) add(*entry);
  }
  return result;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Command::Command(std::vector<std::string> arguments, Options options) {
  const Ends in = MakePipe();
  const Ends out = options.output_terminal ? MakeTerminal() : MakePipe();
  const Ends err = options.terminal ? MakeTerminal() : MakePipe();
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.ours, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.theirs, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.theirs, STDERR_FILENO);
  arguments.insert(arguments.begin(), kErrandPath);
  std::vector<std::string> environment = Environment(std::move(options.environment));
  if (options.output_closed) close(out.ours);
  EXPECT_EQ(posix_spawn(&process_, kErrandPath, &actions, nullptr, Pointers(arguments).data(),
                        Pointers(environment).data()),
            0);
  posix_spawn_file_actions_destroy(&actions);
  close(in.ours);
  close(out.theirs);
  close(err.theirs);
  in_fd_ = in.theirs;
  Write(options.input);
  if (!options.input_open) CloseInput();
  out_fd_ = options.output_closed ? -1 : out.ours;
  err_fd_ = err.ours;
}

Command::~Command() {
  if (process_ > 0) {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  CloseInput();
  if (out_fd_ >= 0) close(out_fd_);
  if (err_fd_ >= 0) close(err_fd_);
}

bool Command::Read() {
  if (out_fd_ < 0 && err_fd_ < 0) return false;
  pollfd ready[] = {{out_fd_, POLLIN, 0}, {err_fd_, POLLIN, 0}};  // poll passes over negative ones.
  if (poll(ready, 2, kPatienceMillis) <= 0) {
    ADD_FAILURE() << "errand is silent; standard output:\n" << out_ << "\nstandard error:\n" << err_;
    return false;
  }
  const auto take = [](const pollfd& from, int& fd, std::string& to) {
    if (from.revents == 0) return;
    char buffer[4096];
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count > 0) {
      to.append(buffer, static_cast<size_t>(count));
    } else {  // A terminal ends with EIO.
      close(fd);
      fd = -1;
    }
  };
  take(ready[0], out_fd_, out_);
  take(ready[1], err_fd_, err_);
  return true;
}

void Command::WaitForText(absl::string_view text) {
  while (!absl::StrContains(out_, text) && !absl::StrContains(err_, text)) {
    if (!Read()) {
      ADD_FAILURE() << "errand did not print '" << text << "' but:\n" << out_ << "\n" << err_;
      return;
    }
  }
}

void Command::Write(absl::string_view text) {
  // Fits into the pipe.
  EXPECT_EQ(write(in_fd_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

void Command::CloseInput() {
  if (in_fd_ >= 0) close(in_fd_);
  in_fd_ = -1;
}

void Command::Signal(int signal) { kill(process_, signal); }

int Command::Wait() {
  while (Read()) {
  }
  // Both outputs are closed, or it hangs.
  if (::testing::Test::HasFailure()) kill(process_, SIGKILL);
  int status = 0;
  waitpid(process_, &status, 0);
  process_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace errand
