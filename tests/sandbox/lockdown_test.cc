#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "tests/paths/paths.h"

namespace errand::sandbox {
namespace {

struct Ending {
  int status = 0;
  std::string output;
};

Ending RunProbe(std::string name) {
  int pipes[2];
  EXPECT_EQ(pipe2(pipes, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipes[1], STDOUT_FILENO);
  std::string program = kNativeProbePath;
  char* arguments[] = {program.data(), name.data(), nullptr};
  char* environment[] = {nullptr};
  pid_t pid;
  EXPECT_EQ(posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments, environment), 0);
  posix_spawn_file_actions_destroy(&actions);
  close(pipes[1]);
  Ending ending;
  char bytes[256];
  for (ssize_t size; (size = read(pipes[0], bytes, sizeof bytes)) > 0;) {
    ending.output.append(bytes, static_cast<size_t>(size));
  }
  close(pipes[0]);
  EXPECT_EQ(waitpid(pid, &ending.status, 0), pid);
  return ending;
}

TEST(Lockdown, LeavesComputingAndTheChannel) {
  const Ending ending = RunProbe("nothing");
  EXPECT_EQ(ending.output, "survived");
  EXPECT_TRUE(WIFEXITED(ending.status));
}

class ForbiddenCall : public testing::TestWithParam<const char*> {};

TEST_P(ForbiddenCall, KillsTheProcess) {
  const Ending ending = RunProbe(GetParam());
  EXPECT_EQ(ending.output, "");
  ASSERT_TRUE(WIFSIGNALED(ending.status)) << ending.status;
  EXPECT_EQ(WTERMSIG(ending.status), SIGSYS);
}

INSTANTIATE_TEST_SUITE_P(Native, ForbiddenCall,
                         testing::Values("open", "openat-mem", "socket", "connect", "sendmsg", "dup",
                                         "execve", "fork", "kill", "ptrace", "process_vm_readv", "mmap-exec",
                                         "mmap-file", "mprotect-exec", "prctl", "unshare", "io_uring", "bpf",
                                         "userfaultfd", "memfd_create", "setrlimit", "seccomp"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) {
                             if (c == '-') c = '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace errand::sandbox
