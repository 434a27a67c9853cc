#include "server/handlers/lua/sandbox_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace errand::handlers {
namespace {

// A batch, and another to spare: a process that keeps to the protocol reads the one before asking for the
// next.
constexpr size_t kMaxUnsentBytes = 2 * sandbox::kMaxBatchBytes;

sandbox::Ending EndingOf(int status) {
  if (!WIFEXITED(status)) return sandbox::Ending::kOk;
  switch (WEXITSTATUS(status)) {
    case sandbox::kCpuExceededStatus:
      return sandbox::Ending::kCpuExceeded;
    case sandbox::kMemoryExceededStatus:
      return sandbox::Ending::kMemoryExceeded;
    default:
      return sandbox::Ending::kOk;
  }
}

}  // namespace

std::string DescribeEnd(int status) {
  if (!WIFSIGNALED(status)) return absl::StrCat("exited with status ", WEXITSTATUS(status));
  const char* name = sigabbrev_np(WTERMSIG(status));
  if (name == nullptr) return absl::StrCat("was killed by signal ", WTERMSIG(status));
  return absl::StrCat("was killed by SIG", name);
}

absl::StatusOr<std::shared_ptr<SandboxProcess>> SandboxProcess::Adopt(pid_t pid, int fd, int generation,
                                                                      io::Loop* loop, Owner* owner) {
  fcntl(fd, F_SETFL, O_NONBLOCK);
  std::shared_ptr<SandboxProcess> process(new SandboxProcess(pid, fd, generation, loop, owner));
  if (const absl::Status added = loop->Add(fd, EPOLLIN, process.get()); !added.ok()) return added;
  return process;
}

SandboxProcess::SandboxProcess(pid_t pid, int fd, int generation, io::Loop* loop, Owner* owner)
    : pid_(pid), fd_(fd), generation_(generation), loop_(loop), owner_(owner) {}

SandboxProcess::~SandboxProcess() { Reap(); }

bool SandboxProcess::Send(const std::string& batch) {
  absl::MutexLock lock(&mu_);
  if (reaped_) return false;
  ssize_t sent = 0;
  if (unsent_.empty()) {
    sent = send(fd_, batch.data(), batch.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (sent < 0) sent = 0;
    if (static_cast<size_t>(sent) == batch.size()) return true;
    loop_->Post([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->SendRest();
    });
  }
  if (unsent_.size() + batch.size() > kMaxUnsentBytes) {
    spdlog::error("sandbox {} does not read its answers and is killed", pid_);
    kill(pid_, SIGKILL);
    return false;
  }
  unsent_.append(batch, static_cast<size_t>(sent), std::string::npos);
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

void SandboxProcess::SendSignal(int signal) {
  absl::MutexLock lock(&mu_);
  if (!reaped_) kill(pid_, signal);
}

void SandboxProcess::Signal(int signal, uint64_t attempt) {
  absl::MutexLock lock(&mu_);
  sigval value;
  static_assert(sizeof value.sival_ptr == sizeof attempt);
  std::memcpy(&value.sival_ptr, &attempt, sizeof attempt);
  if (!reaped_) sigqueue(pid_, SIGRTMIN + signal, value);
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

std::optional<size_t> SandboxProcess::PrivateBytes() const {
  std::ifstream statm(absl::StrCat("/proc/", pid_, "/statm"));
  size_t all;
  size_t resident;
  size_t of_files;
  if (!(statm >> all >> resident >> of_files) || resident < of_files) return std::nullopt;
  return (resident - of_files) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
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
        if (ended_) return;  // The owner has let go of it.
        break;
      case sandbox::FrameReader::Result::kNeedMore:
        owner_->OnFrames();
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
  ended_ = true;
  loop_->Remove(fd_, this);
  close(fd_);
  kill(pid_, SIGKILL);  // Already on its way out, or this is what ends it: the wait is short.
  int status = 0;
  rusage usage{};
  while (wait4(pid_, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  reaped_ = true;
  death.reason = DescribeEnd(status);
  death.ending = EndingOf(status);
  death.cpu_time = absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
  death.peak_memory_bytes = int64_t{usage.ru_maxrss} * 1024;
  return death;
}

}  // namespace errand::handlers
