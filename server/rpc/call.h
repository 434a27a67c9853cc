#ifndef ERRAND_SERVER_RPC_CALL_H_
#define ERRAND_SERVER_RPC_CALL_H_

#include <coroutine>
#include <exception>
#include <utility>

#include "server/rpc/loop.h"
#include "server/rpc/tag.h"

// Coroutines over a completion queue. A handler is a member function that returns Call and takes its Loop
// first. It always does the same, in this order: await the next call; arm its successor; handle; await
// Finish; await the done tag, if it has one.
//
//   Call Service::GetThing(Loop& loop) {
//     grpc::ServerContext context;
//     ...
//     const bool accepted = co_await Operation([&](void* tag) { service_.RequestGetThing(..., tag); });
//     if (!accepted) co_return;  // The server shuts down.
//     GetThing(loop);
//     ...
//     co_await Operation([&](void* tag) { writer.Finish(response, status, tag); });
//   }
//
// g++ 12 destroys some temporaries of a co_await expression twice (gcc bug 99576 and its kin): closures
// capture by reference only, results are awaited into named locals, parameters are passed by value or
// outlive the call.
namespace errand::rpc {

// The frame of a call. It starts at once and frees itself at the end; its loop counts it.
class Call {
 public:
  class promise_type {
   public:
    template <class Service, class... Rest>
    promise_type(Service&, Loop& loop, Rest&&...) noexcept : loop_(loop) {
      loop_.CallCreated();
    }
    ~promise_type() { loop_.CallDestroyed(); }

    Call get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }

   private:
    Loop& loop_;
  };
};

// Awaits one operation of a completion queue. `start` gets the tag; the result is the queue's `ok`.
template <class Start>
class [[nodiscard]] Operation : private Tag {
 public:
  explicit Operation(Start start) : Tag{&Operation::OnComplete}, start_(std::move(start)) {}
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> caller) {
    caller_ = caller;
    BeforeStart(this);
    start_(static_cast<void*>(static_cast<Tag*>(this)));  // From here on this may be gone.
  }
  bool await_resume() const noexcept { return ok_; }

 private:
  static void OnComplete(Tag* tag, bool ok) {
    auto* operation = static_cast<Operation*>(tag);
    operation->ok_ = ok;
    operation->caller_.resume();
  }

  Start start_;
  std::coroutine_handle<> caller_;
  bool ok_ = false;
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_CALL_H_
