// Locks itself down as errand-sandbox does and then does what native code would that broke out of Lua.
//
//   native_probe PROBE     says so on standard output if it gets away with it

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "server/sandbox/lockdown.h"

namespace {

void Probe(const char* name) {
  const auto is = [name](const char* other) { return std::strcmp(name, other) == 0; };
  char byte;
  iovec vector{&byte, 1};
  if (is("nothing")) return;
  if (is("open")) (void)open("/etc/passwd", O_RDONLY);
  if (is("openat-mem")) syscall(SYS_openat, AT_FDCWD, "/proc/self/mem", O_RDWR);
  if (is("socket")) (void)socket(AF_INET, SOCK_STREAM, 0);
  if (is("connect")) (void)connect(0, nullptr, 0);
  if (is("sendmsg")) syscall(SYS_sendmsg, 1, nullptr, 0);
  if (is("dup")) syscall(SYS_dup, 0);
  if (is("execve")) execl("/bin/true", "true", nullptr);
  if (is("fork")) syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (is("kill")) syscall(SYS_kill, getppid(), 0);
  if (is("ptrace")) ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  if (is("process_vm_readv")) process_vm_readv(1, &vector, 1, &vector, 1, 0);
  if (is("mmap-exec")) {
    (void)mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  if (is("mmap-file")) (void)mmap(nullptr, 4096, PROT_READ, MAP_SHARED, 0, 0);
  if (is("mprotect-exec")) {
    void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)mprotect(page, 4096, PROT_READ | PROT_EXEC);
  }
  if (is("prctl")) prctl(PR_SET_DUMPABLE, 1);
  if (is("unshare")) syscall(SYS_unshare, 0x10000000);
  if (is("io_uring")) syscall(SYS_io_uring_setup, 1, nullptr);
  if (is("bpf")) syscall(SYS_bpf, 0, nullptr, 0);
  if (is("userfaultfd")) syscall(SYS_userfaultfd, 0);
  if (is("memfd_create")) syscall(SYS_memfd_create, "x", 0);
  if (is("setrlimit")) syscall(SYS_setrlimit, 0, nullptr);
  if (is("seccomp")) syscall(SYS_seccomp, 0, 0, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  for (const auto& step : {errand::sandbox::PrepareLockDown, errand::sandbox::LockDown}) {
    if (const std::string problem = step(getppid()); !problem.empty()) {
      std::fprintf(stderr, "%s\n", problem.c_str());
      return 1;
    }
  }
  Probe(argv[1]);
  constexpr char kSurvived[] = "survived";
  (void)!write(STDOUT_FILENO, kSurvived, sizeof kSurvived - 1);
  _exit(0);
}
