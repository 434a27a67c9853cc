// errand-sandbox: runs Lua scripts for errandd, in processes with nothing but a socket to it.
//
//   errand-sandbox SERVER_PID     descriptor 3 is the socket (zygote.h), 0 to 2 are /dev/null
//
// Started by server/handlers/lua; of no use by hand.

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstdlib>

#include "server/sandbox/channel.h"
#include "server/sandbox/interpreter.h"
#include "server/sandbox/worker.h"
#include "server/sandbox/zygote.h"

namespace errand::sandbox {
namespace {

constexpr int kSocketFd = 3;

// The process that started this one may have had descriptors that it did not mean to pass on.
void CloseOtherDescriptors() {
  if (close_range(kSocketFd + 1, UINT_MAX, 0) == 0) return;
  // An older kernel or a container's filter refused.
  rlimit limit;
  const rlim_t end = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? std::min<rlim_t>(limit.rlim_cur, 1 << 20) : 1024;
  for (rlim_t fd = kSocketFd + 1; fd < end; ++fd) close(static_cast<int>(fd));
}

// Makes the C library do now what it does once and what is forbidden later.
void WarmUp() {
  // Reading the time zone. Scripts have one: what they do should not depend on the machine.
  setenv("TZ", "UTC0", 1);
  tzset();
  // Reading random bytes for malloc.
  malloc_trim(0);
}

// Both are inherited by what is forked.
void StandBackBehindTheServer() {
  // Where memory runs short the kernel takes a script before the server (proc(5), oom_score_adj).
  if (const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); fd >= 0) {
    (void)!write(fd, "1000", 4);
    close(fd);
  }
  // And calls are answered before scripts go on.
  (void)!nice(5);
}

int Main(int argc, char** argv) {
  const pid_t server = argc == 2 ? std::atoi(argv[1]) : 0;
  if (server <= 0 || fcntl(kSocketFd, F_GETFD) < 0) {
    std::fputs("errand-sandbox is started by errandd and is of no use by hand\n", stderr);
    return 2;
  }
  CloseOtherDescriptors();
  StandBackBehindTheServer();
  WarmUp();
  signal(SIGPIPE, SIG_IGN);
  // They live as long as the process, and the image that is made here holds pointers to them.
  static Channel channel;
  static Interpreter interpreter(&channel);
  static Worker worker(&channel, &interpreter);
  return Zygote(kSocketFd, server, &worker).Serve();
}

}  // namespace
}  // namespace errand::sandbox

int main(int argc, char** argv) { return errand::sandbox::Main(argc, argv); }
