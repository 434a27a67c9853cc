#include "server/sandbox/channel.h"

#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace errand::sandbox {
namespace {

constexpr int kFlushMicros = 10'000;
constexpr size_t kFlushBytes = 32 << 10;
constexpr int64_t kNanosPerSecond = 1'000'000'000;

// TSan holds a signal back until the thread calls something that TSan knows, which a script that computes
// does not: events are then written one by one.
#if defined(__SANITIZE_THREAD__)
constexpr bool kSignalsComeInTime = false;
#else
constexpr bool kSignalsComeInTime = true;
#endif

Channel* alarmed = nullptr;

int64_t MonotonicNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNanosPerSecond + now.tv_nsec;
}

}  // namespace

Channel::Guard::Guard(Channel& channel) : channel_(channel) {
  channel_.guarded_ = true;
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

Channel::Guard::~Guard() {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  channel_.guarded_ = false;
  // The signal may have come just before the line above, or may come now and find nothing left to do.
  while (channel_.due_) {
    channel_.guarded_ = true;
    channel_.Write();
    channel_.guarded_ = false;
  }
}

Channel::Channel(int fd) : fd_(fd), reader_(kMaxFrameToSandbox) {
  buffer_.reserve(2 * kFlushBytes);
  alarmed = this;
  struct sigaction action = {};
  action.sa_handler = &Channel::OnAlarm;
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
}

void Channel::OnAlarm(int) {
  const int error = errno;
  Channel& channel = *alarmed;
  channel.armed_ = false;
  if (channel.guarded_) {
    channel.due_ = true;
  } else {
    channel.Write();
  }
  errno = error;
}

Frame Channel::Read() {
  for (;;) {
    Frame frame;
    switch (reader_.Next(frame)) {
      case FrameReader::Result::kFrame:
        return frame;
      case FrameReader::Result::kInvalid:
        _exit(2);
      case FrameReader::Result::kNeedMore:
        break;
    }
    static char bytes[64 << 10];
    const ssize_t size = read(fd_, bytes, sizeof bytes);
    if (size > 0) {
      reader_.Add({bytes, static_cast<size_t>(size)});
    } else if (size == 0 || errno != EINTR) {
      _exit(0);
    }
  }
}

void Channel::SendOutput(std::string_view data) {
  if (data.empty()) return;
  const Guard guard(*this);
  if (last_frame_ != kNone && !last_is_progress_) {
    Extend(last_frame_, data, buffer_);
  } else {
    last_frame_ = buffer_.size();
    last_is_progress_ = false;
    Append(Output{data}, buffer_);
  }
  Gathered();
}

void Channel::SendLog(LogLevel level, std::string_view message) {
  const Guard guard(*this);
  last_frame_ = kNone;
  Append(Log{level, message}, buffer_);
  Gathered();
}

void Channel::SendProgress(double completed, double total, std::string_view message) {
  const Guard guard(*this);
  if (last_frame_ != kNone && last_is_progress_) {
    buffer_.resize(last_frame_);
  } else {
    last_frame_ = buffer_.size();
    last_is_progress_ = true;
  }
  Append(Progress{completed, total, message}, buffer_);
  Gathered();
}

void Channel::Gathered() {
  if (buffer_.size() >= kFlushBytes || !kSignalsComeInTime) {
    Write();
  } else if (!armed_) {
    armed_ = true;
    const itimerval soon = {{0, 0}, {0, kFlushMicros}};
    setitimer(ITIMER_REAL, &soon, nullptr);
  }
}

void Channel::Flush() {
  const Guard guard(*this);
  Write();
}

// Also called from the signal handler: no allocation here.
void Channel::Write() {
  size_t written = 0;
  while (written < buffer_.size()) {
    const ssize_t size = write(fd_, buffer_.data() + written, buffer_.size() - written);
    if (size > 0) {
      written += static_cast<size_t>(size);
    } else if (errno != EINTR) {
      _exit(0);
    }
  }
  buffer_.clear();
  last_frame_ = kNone;
  due_ = false;
}

void Channel::Sleep(int64_t nanos) {
  Flush();
  const int64_t end = MonotonicNanos() + nanos;
  for (;;) {
    const int64_t left = end - MonotonicNanos();
    if (left <= 0) return;
    const timespec timeout = {left / kNanosPerSecond, left % kNanosPerSecond};
    pollfd server = {fd_, POLLIN, 0};
    // Nothing is sent to an attempt that runs: whatever comes means that the server has gone.
    if (ppoll(&server, 1, &timeout, nullptr) > 0) _exit(0);
  }
}

}  // namespace errand::sandbox
