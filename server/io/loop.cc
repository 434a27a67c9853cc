#include "server/io/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/io/timer.h"

namespace errand::io {
namespace {

constexpr int kMaxReady = 256;

// Only a bug or a process out of descriptors at start-up makes these fail.
int CheckFd(int fd) {
  if (fd < 0) std::abort();
  return fd;
}

}  // namespace

Loop::Loop()
    : epoll_fd_(CheckFd(epoll_create1(EPOLL_CLOEXEC))),
      wake_fd_(CheckFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))) {
  // The one descriptor that carries no handler.
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  CheckFd(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event));
  thread_ = std::thread([this] { Run(); });
}

Loop::~Loop() {
  Stop();
  RunPosted();
  close(wake_fd_);
  close(epoll_fd_);
}

void Loop::Stop() {
  if (!thread_.joinable()) return;
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  const uint64_t one = 1;
  (void)!write(wake_fd_, &one, sizeof one);
  thread_.join();
}

void Loop::Post(absl::AnyInvocable<void()> closure) {
  bool was_empty;
  {
    absl::MutexLock lock(&mu_);
    was_empty = posted_.empty();
    posted_.push_back(std::move(closure));
  }
  // On its own thread the loop looks before it waits again, and so it does while others' closures are there.
  if (!was_empty || IsCurrent()) return;
  // A full counter means that the loop is about to wake up anyway.
  const uint64_t one = 1;
  (void)!write(wake_fd_, &one, sizeof one);
}

absl::Status Loop::Add(int fd, uint32_t events, FdHandler* handler) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = handler;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("epoll cannot watch descriptor ", fd));
}

absl::Status Loop::Modify(int fd, uint32_t events, FdHandler* handler) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = handler;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, absl::StrCat("epoll cannot change descriptor ", fd));
}

void Loop::Remove(int fd, FdHandler* handler) {
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
  for (int i = next_ready_; i < ready_end_; ++i) {
    if (ready_[i].data.ptr == handler) ready_[i].events = 0;
  }
}

void Loop::Run() {
  runs_on_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  epoll_event ready[kMaxReady];
  ready_ = ready;
  for (;;) {
    bool waits;
    {
      absl::MutexLock lock(&mu_);
      waits = posted_.empty();
      if (stopping_ && waits) break;
    }
    ready_end_ = std::max(0, epoll_wait(epoll_fd_, ready, kMaxReady, waits ? PollTimeoutMillis() : 0));
    next_ready_ = 0;
    while (next_ready_ < ready_end_) {
      const epoll_event& event = ready[next_ready_++];
      if (event.data.ptr == nullptr) {
        uint64_t count;
        (void)!read(wake_fd_, &count, sizeof count);
      } else if (event.events != 0) {
        static_cast<FdHandler*>(event.data.ptr)->OnReady(event.events);
      }
    }
    RunPosted();
    RunTimers();
  }
  ready_ = nullptr;
}

void Loop::RunPosted() {
  std::vector<absl::AnyInvocable<void()>> closures;
  {
    absl::MutexLock lock(&mu_);
    closures.swap(posted_);
  }
  for (auto& closure : closures) closure();
}

void Loop::RunTimers() {
  if (timers_.empty()) return;
  const clock::Instant now = clock::Instant::Now();
  while (!timers_.empty() && timers_.front()->deadline_ <= now) {
    Timer* timer = timers_.front();
    Unschedule(timer);
    // The function may destroy the timer, and itself with it: it must not run where it is stored.
    absl::AnyInvocable<void()> on_expiry = std::move(timer->on_expiry_);
    bool destroyed = false;
    timer->destroyed_ = &destroyed;
    on_expiry();
    if (destroyed) continue;
    timer->destroyed_ = nullptr;
    timer->on_expiry_ = std::move(on_expiry);
  }
}

int Loop::PollTimeoutMillis() const {
  if (timers_.empty()) return -1;
  const absl::Duration wait = std::min(timers_.front()->deadline_ - clock::Instant::Now(), absl::Hours(1));
  if (wait <= absl::ZeroDuration()) return 0;
  // Rounded up: waking early would only mean waking twice.
  return static_cast<int>(absl::ToInt64Milliseconds(wait) + 1);
}

void Loop::Schedule(Timer* timer) {
  timers_.push_back(timer);
  timer->heap_index_ = timers_.size() - 1;
  SiftUp(timer->heap_index_);
}

void Loop::Unschedule(Timer* timer) {
  const size_t index = timer->heap_index_;
  timer->heap_index_ = Timer::kNotInHeap;
  Timer* last = timers_.back();
  timers_.pop_back();
  if (last == timer) return;
  Place(last, index);
  SiftUp(index);
  SiftDown(last->heap_index_);
}

void Loop::Place(Timer* timer, size_t index) {
  timers_[index] = timer;
  timer->heap_index_ = index;
}

void Loop::SiftUp(size_t index) {
  Timer* timer = timers_[index];
  while (index > 0) {
    const size_t parent = (index - 1) / 2;
    if (timers_[parent]->deadline_ <= timer->deadline_) break;
    Place(timers_[parent], index);
    index = parent;
  }
  Place(timer, index);
}

void Loop::SiftDown(size_t index) {
  Timer* timer = timers_[index];
  for (;;) {
    size_t child = 2 * index + 1;
    if (child >= timers_.size()) break;
    if (child + 1 < timers_.size() && timers_[child + 1]->deadline_ < timers_[child]->deadline_) ++child;
    if (timer->deadline_ <= timers_[child]->deadline_) break;
    Place(timers_[child], index);
    index = child;
  }
  Place(timer, index);
}

}  // namespace errand::io
