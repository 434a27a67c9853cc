#include "server/sandbox/lockdown.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <vector>

#include "server/task/limits.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ERRAND_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ERRAND_SANITIZED 1
#endif
#endif

namespace errand::sandbox {
namespace {

// What a worker needs, and all it may do.
constexpr int kAllowed[] = {
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(exit_group),
    // Waiting, and the end of a signal handler.
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
    // malloc; mmap has a rule of its own.
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(futex),
    // The vdso falls back to these where the machine's clock cannot be read without the kernel, and CPU
    // clocks always do.
    SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time)};

#ifdef ERRAND_SANITIZED
// What the run-time libraries of the sanitizers do on top. Not in a build that is shipped.
constexpr int kAllowedForSanitizers[] = {
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(sigaltstack), SCMP_SYS(sched_yield),
    SCMP_SYS(getpid),         SCMP_SYS(gettid),       SCMP_SYS(nanosleep),   SCMP_SYS(clock_nanosleep),
    SCMP_SYS(getrlimit),      SCMP_SYS(prlimit64),    SCMP_SYS(getrusage)};
#endif

std::string Failure(const char* what, int error) { return std::string(what) + ": " + std::strerror(error); }

bool Limit(__rlimit_resource resource, rlim_t value) {
  const rlimit limit{value, value};
  return setrlimit(resource, &limit) == 0;
}

std::string LimitResources() {
  // poll() refuses to look at more descriptors than the limit, so it cannot be 0. 0 to 2 are open, which
  // leaves none to be had.
  if (!Limit(RLIMIT_NPROC, 0) || !Limit(RLIMIT_NOFILE, 1)) return Failure("setrlimit", errno);
#ifndef ERRAND_SANITIZED
  // The fuse behind the task's own limit: the heap's addresses, and text that is made from it or for it. Not
  // under the sanitizers, which reserve terabytes of addresses for their shadow.
  if (!Limit(RLIMIT_AS, 4 * task::kMaxMemoryBytes)) return Failure("setrlimit RLIMIT_AS", errno);
#endif
  return "";
}

// The filter as the kernel takes it.
std::vector<sock_filter> filter_program;

std::string CompileFilter() {
  const std::unique_ptr<void, void (*)(void*)> filter(seccomp_init(SCMP_ACT_KILL_PROCESS), seccomp_release);
  if (filter == nullptr) return "seccomp_init failed";
  const auto allow = [&](int call) { return seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0); };
  for (const int call : kAllowed) {
    if (const int error = allow(call); error != 0) return Failure("seccomp_rule_add", -error);
  }
#ifdef ERRAND_SANITIZED
  for (const int call : kAllowedForSanitizers) {
    if (const int error = allow(call); error != 0) return Failure("seccomp_rule_add", -error);
  }
#endif
  // Anonymous memory that cannot be executed. The descriptor, -1, may or may not be extended to 64 bits.
  const scmp_arg_cmp not_executable{2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0};
  const scmp_arg_cmp no_descriptor{4, SCMP_CMP_MASKED_EQ, UINT32_MAX, UINT32_MAX};
  if (const int error =
          seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, not_executable, no_descriptor);
      error != 0) {
    return Failure("seccomp_rule_add mmap", -error);
  }
  // It is handed out through a descriptor only.
  int pipes[2];
  if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) != 0) return Failure("pipe2", errno);
  const int error = seccomp_export_bpf(filter.get(), pipes[1]);
  close(pipes[1]);
  std::array<sock_filter, 1024> program;
  const ssize_t size = read(pipes[0], program.data(), sizeof program);
  close(pipes[0]);
  if (error != 0) return Failure("seccomp_export_bpf", -error);
  if (size <= 0 || size == sizeof program) return "the system call filter has an unexpected size";
  filter_program.assign(program.begin(), program.begin() + size / static_cast<ssize_t>(sizeof(sock_filter)));
  return "";
}

std::string DieWithParent(pid_t parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return Failure("PR_SET_PDEATHSIG", errno);
  // It may have died before the line above.
  if (getppid() != parent) return "the server is gone";
  return "";
}

}  // namespace

std::string PrepareLockDown(pid_t parent) {
  if (std::string problem = DieWithParent(parent); !problem.empty()) return problem;
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return Failure("PR_SET_DUMPABLE", errno);
  if (!Limit(RLIMIT_CORE, 0) || !Limit(RLIMIT_FSIZE, 0)) return Failure("setrlimit", errno);
  if (std::string problem = CompileFilter(); !problem.empty()) return problem;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Failure("no_new_privs", errno);
  return "";
}

std::string LockDown(pid_t parent) {
  if (std::string problem = DieWithParent(parent); !problem.empty()) return problem;
  if (std::string problem = LimitResources(); !problem.empty()) return problem;
  const sock_fprog program{static_cast<unsigned short>(filter_program.size()), filter_program.data()};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) return Failure("seccomp", errno);
  return "";
}

}  // namespace errand::sandbox
