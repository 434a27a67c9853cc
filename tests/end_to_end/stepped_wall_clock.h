#ifndef ERRAND_TESTS_END_TO_END_STEPPED_WALL_CLOCK_H_
#define ERRAND_TESTS_END_TO_END_STEPPED_WALL_CLOCK_H_

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/paths/paths.h"

namespace errand {

// The wall clock of a server, which a test sets while the server runs (wall_clock_shim.cc).
class SteppedWallClock {
 public:
  SteppedWallClock() {
    const int fd = mkstemp(path_.data());
    if (fd < 0 || ftruncate(fd, sizeof(int64_t)) != 0) std::abort();
    void* const mapped = mmap(nullptr, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED) std::abort();
    offset_ = static_cast<std::atomic<int64_t>*>(mapped);
  }
  ~SteppedWallClock() {
    munmap(offset_, sizeof(int64_t));
    unlink(path_.c_str());
  }

  SteppedWallClock(const SteppedWallClock&) = delete;
  SteppedWallClock& operator=(const SteppedWallClock&) = delete;

  // What a server is to be run under.
  std::vector<std::string> command() const {
    return {"env", std::string("LD_PRELOAD=") + kWallClockShimPath, "ERRAND_WALL_CLOCK_OFFSET=" + path_};
  }

  void Set(absl::Duration offset) { offset_->store(absl::ToInt64Nanoseconds(offset)); }
  // What it shows.
  absl::Time Now() const { return absl::Now() + absl::Nanoseconds(offset_->load()); }

 private:
  std::string path_ = "/tmp/errand-wall-clock-XXXXXX";
  std::atomic<int64_t>* offset_;
};

}  // namespace errand

#endif  // ERRAND_TESTS_END_TO_END_STEPPED_WALL_CLOCK_H_
