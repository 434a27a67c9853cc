#ifndef ERRAND_TESTS_BENCH_CALLER_H_
#define ERRAND_TESTS_BENCH_CALLER_H_

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_unary_call.h>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace errand::bench {

// Makes one call at a time, again and again, over a completion queue; every tag is a Caller*. Used by one
// thread at a time.
class Caller {
 public:
  using Clock = std::chrono::steady_clock;

  virtual ~Caller() = default;

  void Start(grpc::CompletionQueue* queue) {
    started_ = Clock::now();
    StartCall(queue);
  }

  // Takes a completion. True when the call is over.
  virtual bool OnComplete(bool ok) = 0;

  // Of the call that is over.
  const grpc::Status& status() const { return status_; }
  std::chrono::duration<float, std::micro> latency() const { return answered_ - started_; }

 protected:
  virtual void StartCall(grpc::CompletionQueue* queue) = 0;
  // What was waited for has come.
  void Answered() { answered_ = Clock::now(); }
  void* tag() { return static_cast<Caller*>(this); }

  grpc::Status status_;

 private:
  Clock::time_point started_;
  Clock::time_point answered_;
};

// Calls one unary method with one request.
template <class Stub, class Request, class Response>
class UnaryCaller final : public Caller {
 public:
  using Reader = grpc::ClientAsyncResponseReader<Response>;
  using Method = std::unique_ptr<Reader> (Stub::*)(grpc::ClientContext*, const Request&,
                                                   grpc::CompletionQueue*);

  // For a generated service: its NewStub's result and the Async member function.
  UnaryCaller(std::unique_ptr<Stub> stub, Method method, Request request)
      : stub_(std::move(stub)), method_(method), request_(std::move(request)) {}

  bool OnComplete(bool) override {
    Answered();
    return true;
  }

 protected:
  void StartCall(grpc::CompletionQueue* queue) override {
    reader_ = nullptr;  // It lives in memory that belongs to the context's call.
    context_.emplace();
    reader_ = ((*stub_).*method_)(&*context_, request_, queue);
    reader_->Finish(&response_, &status_, tag());
  }

 private:
  const std::unique_ptr<Stub> stub_;
  const Method method_;
  const Request request_;
  Response response_;
  std::optional<grpc::ClientContext> context_;
  std::unique_ptr<Reader> reader_;
};

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_CALLER_H_
