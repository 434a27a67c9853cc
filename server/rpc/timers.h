#ifndef ERRAND_SERVER_RPC_TIMERS_H_
#define ERRAND_SERVER_RPC_TIMERS_H_

#include <cstdint>
#include <thread>
#include <tuple>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_set.h"
#include "absl/synchronization/mutex.h"
#include "server/clock/condition_variable.h"
#include "server/clock/instant.h"

namespace errand::rpc {

class Timers;

// Something to be done at an instant; intrusive, so that setting it allocates little. It is not set any more
// when OnTime is called.
class Timer {
 public:
  // On the timers' thread; must not block.
  virtual void OnTime() = 0;

 protected:
  ~Timer() = default;

 private:
  friend class Timers;
  clock::Instant when_;
  uint64_t number_ = 0;
};

// Calls timers when their time has come, on a thread of its own. Those of gRPC (grpc::Alarm, deadlines of its
// calls) wait for a time of day, whatever they were given: where the wall clock is set back they come as much
// later. Any thread.
class Timers {
 public:
  Timers() : thread_([this] { Run(); }) {}
  // No timer may be set.
  ~Timers();

  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  // `timer` is borrowed until it is called or cancelled.
  void Set(Timer* timer, clock::Instant when);
  // False: OnTime was called, or is called just now.
  bool Cancel(Timer* timer);

 private:
  struct Earlier {
    bool operator()(const Timer* a, const Timer* b) const {
      return std::tie(a->when_, a->number_) < std::tie(b->when_, b->number_);
    }
  };

  void Run();

  absl::Mutex mu_;
  clock::ConditionVariable changed_;
  absl::btree_set<Timer*, Earlier> timers_ ABSL_GUARDED_BY(mu_);
  uint64_t next_number_ ABSL_GUARDED_BY(mu_) = 1;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;

  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_TIMERS_H_
