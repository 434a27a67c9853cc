// errand-sandbox: runs Lua scripts for errandd, one at a time, with nothing but a socket to it.
//
//   errand-sandbox PARENT_PID     descriptor 3 is the socket, 0 to 2 are /dev/null
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
#include <memory>
#include <string>
#include <variant>

#include "server/sandbox/channel.h"
#include "server/sandbox/interpreter.h"
#include "server/sandbox/lockdown.h"
#include "server/sandbox/wire.h"

namespace errand::sandbox {
namespace {

constexpr int kChannelFd = 3;

// The process that started this one may have had descriptors that it did not mean to pass on.
void CloseOtherDescriptors() {
  if (close_range(kChannelFd + 1, UINT_MAX, 0) == 0) return;
  // An older kernel or a container's filter refused.
  rlimit limit;
  const rlim_t end = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? std::min<rlim_t>(limit.rlim_cur, 1 << 20) : 1024;
  for (rlim_t fd = kChannelFd + 1; fd < end; ++fd) close(static_cast<int>(fd));
}

// Makes the C library do now what it does once and what is forbidden later.
void WarmUp() {
  // Reading the time zone. Scripts have one: what they do should not depend on the machine.
  setenv("TZ", "UTC0", 1);
  tzset();
  // Reading random bytes for malloc.
  malloc_trim(0);
}

[[noreturn]] void Serve(Channel& channel) {
  // The state for the next script is made while nobody waits for it.
  auto interpreter = std::make_unique<Interpreter>(channel);
  channel.Send(Ready{});
  for (;;) {
    const Frame frame = channel.Read();
    if (const auto* run = std::get_if<Run>(&frame)) {
      interpreter->Execute(*run);
    } else if (const auto* check = std::get_if<Check>(&frame)) {
      interpreter->Compile(*check);
    } else {
      _exit(2);
    }
    constexpr size_t kWorthTrimming = 4 << 20;
    const bool trim = interpreter->memory().peak() > kWorthTrimming;
    interpreter.reset();
    if (trim) malloc_trim(0);
    interpreter = std::make_unique<Interpreter>(channel);
  }
}

int Main(int argc, char** argv) {
  const pid_t parent = argc == 2 ? std::atoi(argv[1]) : 0;
  if (parent <= 0 || fcntl(kChannelFd, F_GETFD) < 0) {
    std::fputs("errand-sandbox is started by errandd and is of no use by hand\n", stderr);
    return 2;
  }
  CloseOtherDescriptors();
  WarmUp();
  signal(SIGPIPE, SIG_IGN);
  Channel channel(kChannelFd);
  if (const std::string problem = LockDown(parent); !problem.empty()) {
    channel.Send(Refused{problem});
    return 1;
  }
  Serve(channel);
}

}  // namespace
}  // namespace errand::sandbox

int main(int argc, char** argv) { return errand::sandbox::Main(argc, argv); }
