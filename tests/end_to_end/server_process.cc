#include "tests/end_to_end/server_process.h"

#include <fcntl.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "tests/paths/paths.h"

extern char** environ;

namespace errand {
namespace {

struct Pipe {
  Pipe() {
    if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
  }
  ~Pipe() {
    close(ends[0]);
    CloseWriter();
  }
  void CloseWriter() {
    if (ends[1] >= 0) close(ends[1]);
    ends[1] = -1;
  }
  int ends[2];
};

// `error` may be -1: the test's own.
pid_t Spawn(const std::vector<std::string>& command, int output, int error) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, 1);
  if (error >= 0) posix_spawn_file_actions_adddup2(&actions, error, 2);
  pid_t pid = -1;
  const int failed = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(failed, 0) << command[0];
  return pid;
}

int WaitForEnd(pid_t pid) {
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace

ServerProcess::ServerProcess(std::vector<std::string> flags, int log, std::vector<std::string> under) {
  std::vector<std::string> command = std::move(under);
  command.insert(command.end(), {kErranddPath, "--listen=127.0.0.1:0"});
  if (log < 0) command.push_back("--log_level=warning");
  command.insert(command.end(), flags.begin(), flags.end());
  Pipe output;
  pid_ = Spawn(command, output.ends[1], log);
  output.CloseWriter();
  std::string line;
  char c;
  while (read(output.ends[0], &c, 1) == 1 && c != '\n') line += c;
  const std::string prefix = "listening on ";
  EXPECT_EQ(line.rfind(prefix, 0), 0u) << "errandd said '" << line << "'";
  address_ = line.substr(std::min(prefix.size(), line.size()));
  const std::shared_ptr<grpc::Channel> channel = NewChannel();
  tasks_ = v1::Tasks::NewStub(channel);
  queues_ = v1::Queues::NewStub(channel);
  scripts_ = v1::Scripts::NewStub(channel);
}

ServerProcess::~ServerProcess() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  Wait();
}

std::shared_ptr<grpc::Channel> ServerProcess::NewChannel() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments);
}

void ServerProcess::Signal(int signal) const { kill(pid_, signal); }

int ServerProcess::Wait() {
  const int result = WaitForEnd(pid_);
  pid_ = -1;
  return result;
}

int ServerProcess::Stop() {
  // A gRPC client that is idle does not answer the server's goodbye, and the server would wait for it.
  tasks_.reset();
  queues_.reset();
  scripts_.reset();
  Signal(SIGTERM);
  return Wait();
}

Finished RunProgram(const std::vector<std::string>& command) {
  Pipe output;
  Pipe errors;
  const pid_t pid = Spawn(command, output.ends[1], errors.ends[1]);
  output.CloseWriter();
  errors.CloseWriter();
  Finished finished;
  pollfd ends[] = {{output.ends[0], POLLIN, 0}, {errors.ends[0], POLLIN, 0}};
  std::string* texts[] = {&finished.output, &finished.errors};
  for (int open = 2; open > 0;) {
    poll(ends, 2, -1);
    for (int i = 0; i < 2; ++i) {
      if (ends[i].fd < 0 || ends[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t got = read(ends[i].fd, buffer, sizeof buffer);
      if (got > 0) {
        texts[i]->append(buffer, static_cast<size_t>(got));
      } else {
        ends[i].fd = -1;
        --open;
      }
    }
  }
  finished.exit_code = WaitForEnd(pid);
  return finished;
}

}  // namespace errand
