#include "server/sandbox/zygote.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <string>

#include "server/sandbox/lockdown.h"
#include "server/sandbox/wire.h"

namespace errand::sandbox {
namespace {

constexpr char kFork[] = "fork";

// As fork(), but the child's parent is this process's parent, which may wait for it and signal it without
// asking. This process has one thread, so the child finds nothing locked.
pid_t ForkSibling() {
  return static_cast<pid_t>(syscall(SYS_clone, CLONE_PARENT | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

}  // namespace

int Zygote::Serve() {
  if (const std::string problem = PrepareLockDown(server_); !problem.empty()) {
    Say("refused", problem.c_str());
    return 1;
  }
  Say("ready", std::to_string(kProtocolVersion).c_str());
  for (int socket; (socket = Receive()) >= 0;) {
    const pid_t pid = ForkSibling();
    if (pid == 0) BecomeWorker(socket);
    const int error = errno;
    close(socket);
    if (pid > 0) {
      Say("pid", std::to_string(pid).c_str());
    } else {
      Say("failed", std::strerror(error));
    }
  }
  return 0;
}

int Zygote::Receive() {
  for (;;) {
    char message[16];
    iovec bytes{message, sizeof message};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr header = {};
    header.msg_iov = &bytes;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t size = recvmsg(socket_, &header, 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return -1;
    const cmsghdr* rights = CMSG_FIRSTHDR(&header);
    if (std::string_view(message, static_cast<size_t>(size)) != kFork || rights == nullptr ||
        rights->cmsg_type != SCM_RIGHTS || rights->cmsg_len != CMSG_LEN(sizeof(int))) {
      return -1;
    }
    int socket;
    std::memcpy(&socket, CMSG_DATA(rights), sizeof socket);
    return socket;
  }
}

void Zygote::Say(const char* word, const char* rest) {
  const std::string message = std::string(word) + " " + rest;
  (void)!send(socket_, message.data(), message.size(), MSG_NOSIGNAL);
}

void Zygote::BecomeWorker(int socket) {
  dup2(socket, socket_);
  close(socket);
  prctl(PR_SET_NAME, "errand-worker");  // For those who look at the processes.
  // C++ code that needs more than the process may have: the script's fault.
  std::set_new_handler([] { _exit(kMemoryExceededStatus); });
  worker_->ListenToSignals();
  // There is nobody to tell what went wrong but the server, which hears that the worker is gone before it was
  // ready.
  if (!LockDown(server_).empty()) _exit(1);
  worker_->Serve(socket_);
}

}  // namespace errand::sandbox
