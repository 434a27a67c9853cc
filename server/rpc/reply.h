#ifndef ERRAND_SERVER_RPC_REPLY_H_
#define ERRAND_SERVER_RPC_REPLY_H_

#include <coroutine>
#include <optional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "server/rpc/loop.h"

namespace errand::rpc {

// Awaits one value that a callback brings, from any thread:
//
//   Reply<absl::Status> reply(loop);
//   store.Flush(reply.callback());
//   absl::Status status = co_await reply;
//
// Lives in the coroutine's frame. The callback must be called exactly once, and is awaited before the frame
// goes. It resumes the coroutine on its loop, never inline.
template <class T>
class Reply : private Posted {
 public:
  explicit Reply(Loop& loop) : loop_(loop) {}
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;

  absl::AnyInvocable<void(T)> callback() {
    return [this](T value) {
      value_.emplace(std::move(value));
      loop_.Post(this);  // From here on this may be gone.
    };
  }

  // What is posted runs on the loop's thread, thus not before the coroutine is suspended.
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> caller) noexcept { caller_ = caller; }
  T await_resume() { return std::move(*value_); }

 private:
  void Run() override { caller_.resume(); }

  Loop& loop_;
  std::optional<T> value_;
  std::coroutine_handle<> caller_;
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_REPLY_H_
