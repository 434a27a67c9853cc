#include "server/handlers/lua/sandbox_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace errand::handlers {
namespace {

constexpr int kChannelFd = 3;  // Where server/sandbox/main.cc expects it.

// Of posix_spawn. glibc's shares memory with the child until it executes, and runs nothing there that could
// touch a lock or the heap: safe with threads, and quick whatever the server's size.
class SpawnPlan {
 public:
  explicit SpawnPlan(int channel) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, channel, kChannelFd);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
      if (fd == STDERR_FILENO) continue;  // Where the sanitizers report.
#endif
      posix_spawn_file_actions_addopen(&actions_, fd, "/dev/null", O_RDWR, 0);
    }
    posix_spawnattr_init(&attributes_);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    // A group of its own: ^C in the server's terminal must not reach scripts that the server lets finish.
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  // 0, or an errno.
  int Start(const std::string& path, pid_t& pid) {
    std::string program = path;
    std::string parent = absl::StrCat(getpid());
    char* arguments[] = {program.data(), parent.data(), nullptr};
    char* environment[] = {nullptr};  // The server's may hold secrets.
    return posix_spawn(&pid, path.c_str(), &actions_, &attributes_, arguments, environment);
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

std::string DescribeEnd(int status) {
  if (!WIFSIGNALED(status)) return absl::StrCat("exited with status ", WEXITSTATUS(status));
  const char* name = sigabbrev_np(WTERMSIG(status));
  if (name == nullptr) return absl::StrCat("was killed by signal ", WTERMSIG(status));
  return absl::StrCat("was killed by SIG", name);
}

}  // namespace

absl::StatusOr<std::shared_ptr<SandboxProcess>> SandboxProcess::Start(const std::string& path, io::Loop* loop,
                                                                      Owner* owner) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair for a sandbox");
  }
  pid_t pid;
  const int error = SpawnPlan(sockets[1]).Start(path, pid);
  close(sockets[1]);
  if (error != 0) {
    close(sockets[0]);
    return absl::ErrnoToStatus(error, absl::StrCat("cannot start '", path, "'"));
  }
  fcntl(sockets[0], F_SETFL, O_NONBLOCK);
  std::shared_ptr<SandboxProcess> process(new SandboxProcess(pid, sockets[0], loop, owner));
  if (const absl::Status added = loop->Add(sockets[0], EPOLLIN, process.get()); !added.ok()) return added;
  return process;
}

SandboxProcess::SandboxProcess(pid_t pid, int fd, io::Loop* loop, Owner* owner)
    : pid_(pid), fd_(fd), loop_(loop), owner_(owner) {}

SandboxProcess::~SandboxProcess() { Reap(); }

bool SandboxProcess::Send(const std::string& frames) {
  absl::MutexLock lock(&mu_);
  if (reaped_) return false;
  ssize_t sent = 0;
  if (unsent_.empty()) {
    sent = send(fd_, frames.data(), frames.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (sent < 0) sent = 0;
    if (static_cast<size_t>(sent) == frames.size()) return true;
    loop_->Post([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->SendRest();
    });
  }
  unsent_.append(frames, static_cast<size_t>(sent), std::string::npos);
  return true;
}

void SandboxProcess::SendRest() {
  absl::MutexLock lock(&mu_);
  if (reaped_) return;
  size_t done = 0;
  while (done < unsent_.size()) {
    const ssize_t sent = send(fd_, unsent_.data() + done, unsent_.size() - done, MSG_NOSIGNAL);
    if (sent >= 0) {
      done += static_cast<size_t>(sent);
    } else if (errno == EAGAIN) {
      unsent_.erase(0, done);
      (void)loop_->Modify(fd_, EPOLLIN | EPOLLOUT, this);
      return;
    } else if (errno != EINTR) {
      break;  // It is dead; Receive sees that, too.
    }
  }
  unsent_.clear();
  (void)loop_->Modify(fd_, EPOLLIN, this);
}

void SandboxProcess::Kill() {
  absl::MutexLock lock(&mu_);
  if (!reaped_) kill(pid_, SIGKILL);
}

absl::Duration SandboxProcess::CpuTime() {
  absl::MutexLock lock(&mu_);
  clockid_t clock;
  timespec used;
  if (reaped_ || clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &used) != 0) {
    return absl::ZeroDuration();
  }
  return absl::DurationFromTimespec(used);
}

void SandboxProcess::OnReady(uint32_t events) {
  const auto self = shared_from_this();  // The owner may let go of it meanwhile.
  if ((events & EPOLLOUT) != 0) SendRest();
  if ((events & ~static_cast<uint32_t>(EPOLLOUT)) != 0) Receive();
}

void SandboxProcess::Receive() {
  char bytes[64 << 10];
  const ssize_t size = recv(fd_, bytes, sizeof bytes, 0);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    // It holds its end for as long as it lives.
    const Death death = Reap();
    owner_->OnDeath(death);
    return;
  }
  if (broken_) return;
  reader_.Add({bytes, static_cast<size_t>(size)});
  for (;;) {
    sandbox::Frame frame;
    switch (reader_.Next(frame)) {
      case sandbox::FrameReader::Result::kFrame:
        owner_->OnFrame(frame);
        break;
      case sandbox::FrameReader::Result::kNeedMore:
        return;
      case sandbox::FrameReader::Result::kInvalid:
        spdlog::error("sandbox {} sent an invalid frame and is killed", pid_);
        broken_ = true;
        Kill();
        return;
    }
  }
}

SandboxProcess::Death SandboxProcess::Reap() {
  Death death;
  absl::MutexLock lock(&mu_);
  if (reaped_) return death;
  loop_->Remove(fd_, this);
  close(fd_);
  kill(pid_, SIGKILL);  // Already on its way out, or this is what ends it: the wait is short.
  int status = 0;
  rusage usage{};
  while (wait4(pid_, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  reaped_ = true;
  death.reason = DescribeEnd(status);
  death.cpu_time = absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
  death.peak_memory_bytes = int64_t{usage.ru_maxrss} * 1024;
  return death;
}

}  // namespace errand::handlers
