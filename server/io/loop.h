#ifndef ERRAND_SERVER_IO_LOOP_H_
#define ERRAND_SERVER_IO_LOOP_H_

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

struct epoll_event;

namespace errand::io {

class Timer;

// What a descriptor registered with a Loop carries a pointer to.
class FdHandler {
 public:
  virtual ~FdHandler() = default;

  // The descriptor is ready for `events` (EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP). Called on the loop's
  // thread. May add and remove descriptors, this one too, and may destroy this handler once it is removed.
  virtual void OnReady(uint32_t events) = 0;
};

// An event loop on one thread of its own: file descriptors (epoll, level-triggered), timers, and closures
// posted by other threads. Closures, handlers and timers must not block.
class Loop {
 public:
  Loop();

  // Stops the loop if that was not done, and runs what was posted and not run yet, so that nothing posted
  // is lost. Every descriptor must have been removed and every timer cancelled or fired.
  ~Loop();

  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Ends the thread after the closures posted so far and waits for it. Not from the loop's own thread.
  // Closures posted later run in the destructor.
  void Stop();

  // Runs `closure` on the loop's thread, in the order of the calls. Any thread.
  void Post(absl::AnyInvocable<void()> closure);

  // True on the loop's own thread. Any thread.
  bool IsCurrent() const { return std::this_thread::get_id() == runs_on_.load(std::memory_order_relaxed); }

  // The rest is for the loop's thread only.

  // Calls `handler` whenever `fd` is ready for `events`. `fd` and `handler` are borrowed until Remove.
  absl::Status Add(int fd, uint32_t events, FdHandler* handler);

  // Changes what a registered descriptor waits for.
  absl::Status Modify(int fd, uint32_t events, FdHandler* handler);

  // After this `handler` is not called again, not even for an event that is already pending. Call it
  // before closing `fd`.
  void Remove(int fd, FdHandler* handler);

 private:
  friend class Timer;

  void Run();
  void RunPosted();
  void RunTimers();
  int PollTimeoutMillis() const;

  // The deadline heap: the earliest timer first. Each timer knows its place.
  void Schedule(Timer* timer);
  void Unschedule(Timer* timer);
  void SiftUp(size_t index);
  void SiftDown(size_t index);
  void Place(Timer* timer, size_t index);

  const int epoll_fd_;
  const int wake_fd_;

  absl::Mutex mu_;
  std::vector<absl::AnyInvocable<void()>> posted_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  // Owned by the loop's thread.
  std::vector<Timer*> timers_;
  epoll_event* ready_ = nullptr;  // The events being handled, [next_ready_, ready_end_).
  int next_ready_ = 0;
  int ready_end_ = 0;

  std::atomic<std::thread::id> runs_on_ = std::thread::id();  // Set by that thread.
  std::thread thread_;                                        // Last: it uses all of the above.
};

}  // namespace errand::io

#endif  // ERRAND_SERVER_IO_LOOP_H_
