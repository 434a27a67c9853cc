#ifndef ERRAND_SERVER_RPC_MAILBOX_H_
#define ERRAND_SERVER_RPC_MAILBOX_H_

#include <coroutine>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/loop.h"

namespace errand::rpc {

// Carries values from any thread to one coroutine. The one place where a stream's coroutine waits: what
// comes next, the client's cancel, a drain and a timeout all reach it here, as a value or by closing.
//
// Shared by the coroutine and by those who push. Neither pushing nor closing touches the loop unless the
// coroutine waits.
template <class T>
class Mailbox final : public std::enable_shared_from_this<Mailbox<T>>, private Posted {
 public:
  // Holds at most `capacity` values. `loop` is the coroutine's and must outlive it.
  Mailbox(Loop& loop, size_t capacity) : loop_(loop), capacity_(capacity) {}

  // False when the mailbox is full or closed: the value is dropped. Any thread.
  bool Push(T value) {
    bool wake;
    {
      absl::MutexLock lock(&mu_);
      if (closed_.has_value() || values_.size() >= capacity_) return false;
      values_.push_back(std::move(value));
      wake = std::exchange(waiting_, false);
    }
    if (wake) Wake();
    return true;
  }

  // No value is accepted any more; those that are there can still be received. Only the first call counts.
  // Any thread.
  void Close(absl::Status reason) {
    bool wake;
    {
      absl::MutexLock lock(&mu_);
      if (closed_.has_value()) return;
      closed_ = std::move(reason);
      wake = std::exchange(waiting_, false);
    }
    if (wake) Wake();
  }

  // Why the mailbox was closed; OK while it is open.
  absl::Status reason() const {
    absl::MutexLock lock(&mu_);
    return closed_.value_or(absl::OkStatus());
  }

  class [[nodiscard]] Receiver {
   public:
    explicit Receiver(Mailbox& mailbox) : mailbox_(mailbox) {}
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> caller) {
      absl::MutexLock lock(&mailbox_.mu_);
      if (!mailbox_.values_.empty() || mailbox_.closed_.has_value()) return false;
      mailbox_.receiver_ = caller;
      mailbox_.waiting_ = true;
      return true;
    }
    std::optional<T> await_resume() {
      absl::MutexLock lock(&mailbox_.mu_);
      if (mailbox_.values_.empty()) return std::nullopt;
      std::optional<T> value(std::move(mailbox_.values_.front()));
      mailbox_.values_.pop_front();
      return value;
    }

   private:
    Mailbox& mailbox_;
  };

  // Awaits the next value; nothing when the mailbox is closed and empty. One coroutine, on the loop.
  Receiver Receive() { return Receiver(*this); }

 private:
  void Wake() {
    self_ = this->shared_from_this();
    loop_.Post(this);
  }
  void Run() override {
    const auto self = std::move(self_);  // The coroutine may drop the mailbox before this returns.
    receiver_.resume();
  }

  Loop& loop_;
  const size_t capacity_;

  mutable absl::Mutex mu_;
  std::deque<T> values_ ABSL_GUARDED_BY(mu_);
  std::optional<absl::Status> closed_ ABSL_GUARDED_BY(mu_);
  bool waiting_ ABSL_GUARDED_BY(mu_) = false;

  // Owned by whoever took `waiting_` away, then by the loop.
  std::shared_ptr<Mailbox> self_;
  std::coroutine_handle<> receiver_;
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_MAILBOX_H_
