#ifndef ERRAND_SERVER_RPC_DEADLINE_H_
#define ERRAND_SERVER_RPC_DEADLINE_H_

#include <grpcpp/alarm.h>

#include <coroutine>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "server/clock/instant.h"
#include "server/rpc/instant.h"
#include "server/rpc/loop.h"
#include "server/rpc/tag.h"

namespace errand::rpc {

// Calls a function at an instant, unless cancelled before. On the call's loop; await it before the frame
// goes, since queues do not cancel alarms (grpc#16656).
class Deadline : private Tag {
 public:
  // `on_expiry` must not end the call's frame.
  Deadline(Loop& loop, clock::Instant when, absl::AnyInvocable<void()> on_expiry)
      : Tag{&Deadline::OnComplete}, on_expiry_(std::move(on_expiry)) {
    BeforeStart(this);
    alarm_.Set(loop.queue(), ToGpr(when), static_cast<Tag*>(this));
  }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  void Cancel() { alarm_.Cancel(); }

  bool await_ready() const noexcept { return over_; }
  void await_suspend(std::coroutine_handle<> caller) noexcept { caller_ = caller; }
  void await_resume() const noexcept {}

 private:
  static void OnComplete(Tag* tag, bool expired) {
    auto* deadline = static_cast<Deadline*>(tag);
    deadline->over_ = true;
    if (deadline->caller_) {
      deadline->caller_.resume();
    } else if (expired) {
      deadline->on_expiry_();
    }
  }

  grpc::Alarm alarm_;
  bool over_ = false;
  absl::AnyInvocable<void()> on_expiry_;
  std::coroutine_handle<> caller_;
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_DEADLINE_H_
