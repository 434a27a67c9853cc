#ifndef ERRAND_SERVER_RPC_YIELD_H_
#define ERRAND_SERVER_RPC_YIELD_H_

#include <coroutine>

#include "server/rpc/loop.h"

namespace errand::rpc {

// Lets the other calls of a loop go first, between the steps of one that has much to do:
//
//   Yield to_others(loop);
//   co_await to_others;
//
// Resumes after all completions that are ready now. Lives in the coroutine's frame; on the loop's thread.
class Yield final : private Posted {
 public:
  explicit Yield(Loop& loop) : loop_(loop) {}
  Yield(const Yield&) = delete;
  Yield& operator=(const Yield&) = delete;

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> caller) {
    caller_ = caller;
    loop_.PostIdle(this);
  }
  void await_resume() const noexcept {}

 private:
  void Run() override { caller_.resume(); }

  Loop& loop_;
  std::coroutine_handle<> caller_;
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_YIELD_H_
