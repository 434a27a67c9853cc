// Preloaded into a server: its wall clock is the machine's and an offset, which a file holds that a test
// writes (stepped_wall_clock.h). The monotonic clock is left alone. Waits until a time of day, such as
// Abseil's timed waits are, end when this clock shows that, as the kernel's do: later where it is set back
// meanwhile.
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;
// How often a wait looks whether the clock was set.
constexpr int64_t kSliceNanos = 20'000'000;

long Raw(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

const std::atomic<int64_t>* Offset() {
  static const std::atomic<int64_t>* const offset = [] {
    const char* const path = getenv("ERRAND_WALL_CLOCK_OFFSET");
    const int fd = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) abort();
    void* const mapped = mmap(nullptr, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED) abort();
    return static_cast<const std::atomic<int64_t>*>(mapped);
  }();
  return offset;
}

int64_t NanosOf(const timespec& time) { return time.tv_sec * kNanosPerSecond + time.tv_nsec; }
timespec ToTimespec(int64_t nanos) { return {nanos / kNanosPerSecond, nanos % kNanosPerSecond}; }

int64_t RealNanos() {
  timespec now;
  Raw(SYS_clock_gettime, CLOCK_REALTIME, reinterpret_cast<long>(&now));
  return NanosOf(now);
}

int64_t ShownNanos() { return RealNanos() + Offset()->load(); }

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) {
  const long result = Raw(SYS_clock_gettime, clock, reinterpret_cast<long>(time));
  if (result < 0) {
    errno = static_cast<int>(-result);
    return -1;
  }
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
    *time = ToTimespec(NanosOf(*time) + Offset()->load());
  }
  return 0;
}

int gettimeofday(timeval* time, void*) {
  const timespec now = ToTimespec(ShownNanos());
  *time = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* where) {
  const time_t now = ShownNanos() / kNanosPerSecond;
  if (where != nullptr) *where = now;
  return now;
}

long syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long a[6];
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  const bool until_time_of_day = number == SYS_futex && (a[1] & FUTEX_CLOCK_REALTIME) != 0 && a[3] != 0;
  const int64_t end = until_time_of_day ? NanosOf(*reinterpret_cast<const timespec*>(a[3])) : 0;
  for (;;) {
    timespec slice;
    if (until_time_of_day) {
      const int64_t left = std::max<int64_t>(0, end - ShownNanos());
      slice = ToTimespec(RealNanos() + std::min(left, kSliceNanos));
      a[3] = reinterpret_cast<long>(&slice);
    }
    const long result = Raw(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (result == -ETIMEDOUT && until_time_of_day && ShownNanos() < end) continue;
    if (result >= 0 || result <= -4096) return result;
    errno = static_cast<int>(-result);
    return -1;
  }
}

}  // extern "C"
