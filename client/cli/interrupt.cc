#include "client/cli/interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "client/cli/exit_code.h"

namespace errand::cli {
namespace {

bool IsIgnored(int signal) {
  struct sigaction action {};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

sigset_t Block() {
  sigset_t signals;
  sigemptyset(&signals);
  // A shell starts background commands with SIGINT ignored: that is not ours to change.
  for (int signal : {SIGINT, SIGTERM}) {
    if (!IsIgnored(signal)) sigaddset(&signals, signal);
  }
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

}  // namespace

Interrupt::Interrupt(Cancellation& cancellation)
    : cancellation_(cancellation),
      signals_(Block()),
      stop_fd_(eventfd(0, EFD_CLOEXEC)),
      interrupted_fd_(eventfd(0, EFD_CLOEXEC)),
      thread_([this] { Run(); }) {}

Interrupt::~Interrupt() {
  eventfd_write(stop_fd_, 1);
  thread_.join();
  close(stop_fd_);
  close(interrupted_fd_);
}

void Interrupt::Run() {
  const int signal_fd = signalfd(-1, &signals_, SFD_CLOEXEC);
  pollfd ready[] = {{signal_fd, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
  while (poll(ready, 2, -1) < 0 || (ready[1].revents & POLLIN) == 0) {
    signalfd_siginfo signal;
    if ((ready[0].revents & POLLIN) == 0 || read(signal_fd, &signal, sizeof signal) < 0) continue;
    if (cancellation_.cancelled()) _exit(kInterrupted);
    cancellation_.Cancel();
    eventfd_write(interrupted_fd_, 1);
  }
  close(signal_fd);
}

}  // namespace errand::cli
