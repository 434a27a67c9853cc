#include "client/cli/line_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace errand::cli {
namespace {

constexpr size_t kMaxLine = size_t{64} << 20;

absl::Status Unreadable(absl::string_view name, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("cannot read the batch (", name, ": ", why, ")"));
}

int64_t SizeOf(int fd) {
  struct stat file {};
  return fstat(fd, &file) == 0 && S_ISREG(file.st_mode) ? file.st_size : 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LineReader>> LineReader::Open(const std::string& path) {
  if (path == "-") return absl::WrapUnique(new LineReader(STDIN_FILENO, "standard input"));
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Unreadable(path, std::strerror(errno));
  return absl::WrapUnique(new LineReader(fd, path));
}

LineReader::LineReader(int fd, std::string name)
    : fd_(fd), name_(std::move(name)), total_bytes_(SizeOf(fd)) {}

LineReader::~LineReader() {
  if (fd_ != STDIN_FILENO) close(fd_);
}

absl::StatusOr<bool> LineReader::Next(std::string& line, int wake_fd, absl::Time deadline) {
  size_t searched = taken_;
  size_t end;
  while ((end = buffer_.find('\n', searched)) == std::string::npos && !at_end_) {
    searched = buffer_.size() - taken_;
    if (searched > kMaxLine) {
      return Unreadable(name_, absl::StrCat("line ", number_ + 1, " holds more than 64 MiB"));
    }
    absl::Status status = Fill(wake_fd, deadline);
    if (!status.ok()) return status;
  }
  if (end == std::string::npos && taken_ == buffer_.size()) return false;
  const bool has_feed = end != std::string::npos;
  const size_t length = (has_feed ? end : buffer_.size()) - taken_;
  line.assign(buffer_, taken_, length);
  taken_ += length + (has_feed ? 1 : 0);
  offset_ += static_cast<int64_t>(length) + (has_feed ? 1 : 0);
  ++number_;
  return true;
}

absl::Status LineReader::Fill(int wake_fd, absl::Time deadline) {
  buffer_.erase(0, taken_);
  taken_ = 0;
  for (;;) {
    // SIGINT is blocked, as of Interrupt: read() alone would not notice it.
    pollfd ready[] = {{fd_, POLLIN, 0}, {wake_fd, POLLIN, 0}};
    // A deadline may be infinite; what is left of a millisecond counts as a whole one.
    const absl::Duration left = std::clamp(deadline - absl::Now(), absl::ZeroDuration(), absl::Hours(24));
    if (poll(ready, 2, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1) < 0 && errno != EINTR) {
      return Unreadable(name_, std::strerror(errno));
    }
    if ((ready[1].revents & POLLIN) != 0) return absl::CancelledError("interrupted");
    if (absl::Now() >= deadline) return absl::DeadlineExceededError("no input in time");
    if (ready[0].revents == 0) continue;
    char bytes[64 << 10];
    const ssize_t count = read(fd_, bytes, sizeof bytes);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count < 0) return Unreadable(name_, std::strerror(errno));
    at_end_ = count == 0;
    buffer_.append(bytes, static_cast<size_t>(count));
    return absl::OkStatus();
  }
}

bool LineReader::HasMore() const {
  if (at_end_ || buffer_.find('\n', taken_) != std::string::npos) return true;
  pollfd ready = {fd_, POLLIN, 0};
  return poll(&ready, 1, 0) > 0;
}

}  // namespace errand::cli
