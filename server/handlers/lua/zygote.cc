#include "server/handlers/lua/zygote.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "server/sandbox/wire.h"
#include "spdlog/spdlog.h"

namespace errand::handlers {
namespace {

constexpr int kSocketFd = 3;  // Where server/sandbox/main.cc expects it.
constexpr absl::Duration kStartTimeout = absl::Seconds(10);

// Of posix_spawn. glibc's shares memory with the child until it executes, and runs nothing there that could
// touch a lock or the heap: safe with threads, and quick whatever the server's size.
class SpawnPlan {
 public:
  explicit SpawnPlan(int socket) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, socket, kSocketFd);
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
    std::string server = absl::StrCat(getpid());
    char* arguments[] = {program.data(), server.data(), nullptr};
    char* environment[] = {nullptr};  // The server's may hold secrets.
    return posix_spawn(&pid, path.c_str(), &actions_, &attributes_, arguments, environment);
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// Sends "fork" and a descriptor.
bool SendFork(int socket, int descriptor) {
  char word[] = "fork";
  iovec bytes{word, sizeof word - 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptor)] = {};
  msghdr header = {};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  cmsghdr* rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(sizeof descriptor);
  std::memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
  return sendmsg(socket, &header, MSG_NOSIGNAL) >= 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Zygote>> Zygote::Start(std::string path, io::Loop* loop) {
  std::unique_ptr<Zygote> zygote(new Zygote(std::move(path), loop));
  // That a process can be forked shows that it is ready.
  class Nobody final : public SandboxProcess::Owner {
    void OnFrame(const sandbox::Frame&) override {}
    void OnDeath(const SandboxProcess::Death&) override {}
  } nobody;
  absl::Status started;
  absl::Notification done;
  loop->Post([&] {
    zygote->Fork(&nobody, [&](absl::StatusOr<std::shared_ptr<SandboxProcess>> forked) {
      started = forked.status();
      if (forked.ok()) (*forked)->End();
      done.Notify();
    });
  });
  done.WaitForNotification();
  if (!started.ok()) return absl::FailedPreconditionError(started.message());
  return zygote;
}

Zygote::~Zygote() {
  absl::Notification done;
  loop_->Post([this, &done] {
    start_timeout_ = nullptr;
    if (pid_ >= 0) Reap();
    done.Notify();
  });
  done.WaitForNotification();
}

void Zygote::Fork(SandboxProcess::Owner* owner, OnForked done) {
  if (pid_ < 0) {
    if (absl::Status spawned = Spawn(); !spawned.ok()) {
      done(std::move(spawned));
      return;
    }
  }
  requests_.push_back({owner, std::move(done)});
  SendAll();
}

void Zygote::Forget(const SandboxProcess::Owner* owner) {
  std::vector<OnForked> forgotten;
  for (Request& request : requests_) {
    if (request.owner != owner) continue;
    request.owner = nullptr;
    forgotten.push_back(std::exchange(request.done, nullptr));
  }
  for (OnForked& done : forgotten) done(absl::CancelledError("the server is stopping"));
}

absl::Status Zygote::Spawn() {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair for the sandbox");
  }
  const int error = SpawnPlan(sockets[1]).Start(path_, pid_);
  close(sockets[1]);
  if (error != 0) {
    close(sockets[0]);
    pid_ = -1;
    return absl::ErrnoToStatus(error, absl::StrCat("cannot start '", path_, "'"));
  }
  fd_ = sockets[0];
  ready_ = false;
  ++generation_;
  if (absl::Status added = loop_->Add(fd_, EPOLLIN, this); !added.ok()) {
    Reap();
    return added;
  }
  start_timeout_ = std::make_unique<io::Timer>(loop_, [this] { End("did not start in time"); });
  start_timeout_->Set(kStartTimeout);
  return absl::OkStatus();
}

absl::Status Zygote::Send(Request& request) {
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
    return absl::ErrnoToStatus(errno, "socketpair for a sandbox");
  }
  request.socket = sockets[0];
  // If that fails it is dead, and OnReady sees it.
  SendFork(fd_, sockets[1]);
  close(sockets[1]);
  return absl::OkStatus();
}

void Zygote::SendAll() {
  if (!ready_) return;
  for (size_t i = 0; i < requests_.size();) {
    if (requests_[i].socket >= 0) {
      ++i;
    } else if (const absl::Status sent = Send(requests_[i]); sent.ok()) {
      ++i;
    } else {
      OnForked done = std::move(requests_[i].done);
      requests_.erase(requests_.begin() + static_cast<std::ptrdiff_t>(i));
      if (done != nullptr) done(sent);
    }
  }
}

void Zygote::OnReady(uint32_t) {
  char message[1024];
  const ssize_t size = recv(fd_, message, sizeof message, MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    End("");
  } else {
    OnMessage({message, static_cast<size_t>(size)});
  }
}

void Zygote::OnMessage(absl::string_view message) {
  int number = 0;
  if (absl::ConsumePrefix(&message, "pid ") && absl::SimpleAtoi(message, &number) && !requests_.empty()) {
    OnForkedPid(number);
  } else if (absl::ConsumePrefix(&message, "failed ") && !requests_.empty()) {
    FailFirst(absl::UnavailableError(absl::StrCat("errand-sandbox cannot fork: ", message)));
  } else if (absl::ConsumePrefix(&message, "refused ")) {
    End(absl::StrCat("cannot be used: ", message));
  } else if (absl::ConsumePrefix(&message, "ready ") && absl::SimpleAtoi(message, &number) &&
             number == static_cast<int>(sandbox::kProtocolVersion)) {
    start_timeout_ = nullptr;
    ready_ = true;
    SendAll();
  } else {
    End("is of another version than the server");
  }
}

void Zygote::OnForkedPid(pid_t pid) {
  Request request = std::move(requests_.front());
  requests_.pop_front();
  if (request.done == nullptr) {
    // Nobody waits for it any more.
    close(request.socket);
    kill(pid, SIGKILL);
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return;
  }
  request.done(SandboxProcess::Adopt(pid, request.socket, generation_, loop_, request.owner));
}

void Zygote::FailFirst(const absl::Status& why) {
  Request request = std::move(requests_.front());
  requests_.pop_front();
  close(request.socket);
  if (request.done != nullptr) request.done(why);
}

void Zygote::End(const std::string& why) {
  start_timeout_ = nullptr;
  const std::string death = Reap();
  const absl::Status status =
      absl::UnavailableError(absl::StrCat("'", path_, "' ", why.empty() ? death : why));
  spdlog::error("{}", std::string(status.message()));
  std::deque<Request> requests;
  requests.swap(requests_);
  for (Request& request : requests) {
    if (request.socket >= 0) close(request.socket);
    if (request.done != nullptr) request.done(status);
  }
}

std::string Zygote::Reap() {
  loop_->Remove(fd_, this);
  close(fd_);
  kill(pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  fd_ = -1;
  ready_ = false;
  return DescribeEnd(status);
}

}  // namespace errand::handlers
