#ifndef ERRAND_SERVER_RPC_DONE_TAG_H_
#define ERRAND_SERVER_RPC_DONE_TAG_H_

#include <grpcpp/server_context.h>

#include <coroutine>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "server/rpc/tag.h"

namespace errand::rpc {

// Says when a call is over: finished, cancelled by the client, or its connection lost. Make it before the
// call is requested; await it before the frame goes, but only if the call was accepted: otherwise it never
// comes (grpc#10136). It may come before other tags of the call (grpc#36065). On the call's loop.
class DoneTag : private Tag {
 public:
  explicit DoneTag(grpc::ServerContext& context) : Tag{&DoneTag::OnComplete} {
    BeforeStart(this);
    context.AsyncNotifyWhenDone(static_cast<Tag*>(this));
  }
  DoneTag(const DoneTag&) = delete;
  DoneTag& operator=(const DoneTag&) = delete;

  // Calls `on_done` when the call is over, at once if it is. Replaces the function given before; null for
  // none. It must not end the call's frame.
  void OnDone(absl::AnyInvocable<void()> on_done) {
    on_done_ = std::move(on_done);
    if (done_ && on_done_) on_done_();
  }

  bool done() const { return done_; }

  bool await_ready() const noexcept { return done_; }
  void await_suspend(std::coroutine_handle<> caller) noexcept { caller_ = caller; }
  void await_resume() const noexcept {}

 private:
  static void OnComplete(Tag* tag, bool) {
    auto* done = static_cast<DoneTag*>(tag);
    done->done_ = true;
    if (done->caller_) {
      done->caller_.resume();
    } else if (done->on_done_) {
      done->on_done_();
    }
  }

  bool done_ = false;
  absl::AnyInvocable<void()> on_done_;
  std::coroutine_handle<> caller_;
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_DONE_TAG_H_
