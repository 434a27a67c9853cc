#ifndef ERRAND_SERVER_SERVICE_GATE_H_
#define ERRAND_SERVER_SERVICE_GATE_H_

#include <coroutine>
#include <utility>

#include "server/rpc/loop.h"

namespace errand::service {

// Where one coroutine waits for another one of its loop. It passes once for any number of calls of Open,
// those before it came included: look again at what it waited for. For the loop's thread.
class Gate final : private rpc::Posted {
 public:
  explicit Gate(rpc::Loop& loop) : loop_(loop) {}
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // Whoever waits goes on after what runs now, so that all that happens at once is seen at once. The gate
  // must live until then.
  void Open() {
    if (!std::exchange(open_, true) && caller_) loop_.Post(this);
  }

  bool await_ready() noexcept { return std::exchange(open_, false); }
  void await_suspend(std::coroutine_handle<> caller) noexcept { caller_ = caller; }
  void await_resume() noexcept { open_ = false; }

 private:
  void Run() override { std::exchange(caller_, nullptr).resume(); }

  rpc::Loop& loop_;
  bool open_ = false;
  std::coroutine_handle<> caller_;
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_GATE_H_
