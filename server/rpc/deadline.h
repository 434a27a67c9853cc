#ifndef ERRAND_SERVER_RPC_DEADLINE_H_
#define ERRAND_SERVER_RPC_DEADLINE_H_

#include <coroutine>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "server/clock/instant.h"
#include "server/rpc/loop.h"
#include "server/rpc/timers.h"

namespace errand::rpc {

// Calls a function at an instant, unless cancelled before. On the call's loop; await it before the frame
// goes: it may be on its way to the loop.
class Deadline final : private Timer, private Posted {
 public:
  // `on_expiry` must not end the call's frame.
  Deadline(Loop& loop, clock::Instant when, absl::AnyInvocable<void()> on_expiry)
      : loop_(loop), on_expiry_(std::move(on_expiry)) {
    loop_.timers().Set(this, when);
  }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  void Cancel() {
    cancelled_ = true;
    if (loop_.timers().Cancel(this)) over_ = true;
  }

  bool await_ready() const noexcept { return over_; }
  void await_suspend(std::coroutine_handle<> caller) noexcept { caller_ = caller; }
  void await_resume() const noexcept {}

 private:
  void OnTime() override { loop_.Post(this); }
  void Run() override {
    over_ = true;
    if (caller_) {
      caller_.resume();
    } else if (!cancelled_) {
      on_expiry_();
    }
  }

  Loop& loop_;
  // Owned by the loop's thread.
  absl::AnyInvocable<void()> on_expiry_;
  bool cancelled_ = false;
  bool over_ = false;
  std::coroutine_handle<> caller_;
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_DEADLINE_H_
