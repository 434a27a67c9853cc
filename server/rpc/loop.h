#ifndef ERRAND_SERVER_RPC_LOOP_H_
#define ERRAND_SERVER_RPC_LOOP_H_

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "server/rpc/tag.h"
#include "server/rpc/timers.h"

namespace errand::rpc {

// Something to run on a loop's thread; intrusive, so that posting allocates nothing. It may be posted again
// once it runs.
class Posted {
 public:
  virtual void Run() = 0;

 protected:
  ~Posted() = default;

 private:
  friend class Loop;
  Posted* next_ = nullptr;
};

// One completion queue with one thread. Every call lives on one loop from beginning to end, so that its
// coroutine needs no locks.
//
// Shutdown, in this order: the server's Shutdown while the loops run on; WaitForCalls; Shutdown of every
// loop; Join. Queues shut down before that abort the process under open streams.
class Loop {
 public:
  // Call Start once the server was built and calls were armed.
  // `timers` are borrowed.
  Loop(std::unique_ptr<grpc::ServerCompletionQueue> queue, Timers* timers);
  ~Loop();

  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void Start();
  // Waits until no call is left, armed ones included: they end when the server shuts down.
  void WaitForCalls();
  // No call may be left, and nothing may be posted any more.
  void Shutdown();
  void Join();

  grpc::ServerCompletionQueue* queue() const { return queue_.get(); }
  Timers& timers() const { return timers_; }
  bool IsCurrent() const;

  // Runs `posted` on the loop's thread, in the order of the calls of one thread. `posted` is borrowed
  // until then. Any thread.
  void Post(Posted* posted);

  // Runs `posted` after all completions that are ready now: the place for work that is cheaper in batches.
  // On the loop's thread.
  void PostIdle(Posted* posted);

  // Counted by the calls' coroutine frames.
  void CallCreated() { calls_.fetch_add(1, std::memory_order_relaxed); }
  void CallDestroyed() {
    if (calls_.fetch_sub(1, std::memory_order_acq_rel) == 1) calls_.notify_all();
  }

 private:
  // A list in order of arrival, for the loop's thread.
  struct List {
    void Append(Posted* posted);
    void RunAll();
    Posted* first = nullptr;
    Posted* last = nullptr;
  };

  // A tag that leads to the loop, and the alarm that puts it at the queue's end at once. (Asking the queue
  // with a deadline in the past instead makes gRPC poll, and cost an idle call half its CPU time.)
  struct Wake : Tag {
    Loop* loop = nullptr;
    grpc::Alarm alarm;
  };

  void SetWake(Wake& wake);
  static void OnInbox(Tag* tag, bool ok);
  static void OnIdle(Tag* tag, bool ok);
  void Run();

  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  Timers& timers_;
  std::thread thread_;
  std::atomic<int64_t> calls_{0};

  // What other threads posted, the latest first. Whoever makes it non-empty sets the alarm.
  std::atomic<Posted*> inbox_{nullptr};
  Wake inbox_wake_;

  // Owned by the loop's thread.
  List local_;
  List idle_;  // Whoever makes it non-empty sets the alarm.
  Wake idle_wake_;
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_LOOP_H_
