// The coroutines over a real server; grpc.health.v1 serves as a service with a unary and a streaming method.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <thread>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/rpc/call.h"
#include "server/rpc/deadline.h"
#include "server/rpc/done_tag.h"
#include "server/rpc/mailbox.h"
#include "server/rpc/reply.h"
#include "server/rpc/server.h"

namespace errand::rpc {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

using IntMailbox = Mailbox<int>;

// Check asks another thread for its answer. Watch writes what is pushed into `mailbox` until that is closed;
// a watch of "deadline" is closed by a deadline instead.
class EchoService {
 public:
  void Register(Server& server) { server.builder().RegisterService(&service_); }
  void Arm(Server& server) {
    for (const auto& loop : server.unary_loops()) {
      for (int i = 0; i < 4; ++i) Check(*loop);
    }
    for (const auto& loop : server.stream_loops()) Watch(*loop);
  }
  std::shared_ptr<IntMailbox> mailbox() {
    opened_.WaitForNotification();
    return mailbox_;
  }
  bool client_gone() const { return gone_.load(); }

 private:
  Call Check(Loop& loop) {
    grpc::ServerContext context;
    HealthCheckRequest request;
    grpc::ServerAsyncResponseWriter<HealthCheckResponse> writer(&context);
    const bool accepted = co_await Operation([&](void* tag) {
      service_.RequestCheck(&context, &request, &writer, loop.queue(), loop.queue(), tag);
    });
    if (!accepted) co_return;
    Check(loop);

    Reply<int> reply(loop);
    std::thread answer([callback = reply.callback()]() mutable { callback(1); });
    const int value = co_await reply;
    answer.join();
    EXPECT_TRUE(loop.IsCurrent()) << "a reply resumes its coroutine on its loop";
    HealthCheckResponse response;
    response.set_status(static_cast<HealthCheckResponse::ServingStatus>(value));
    co_await Operation([&](void* tag) { writer.Finish(response, grpc::Status::OK, tag); });
  }

  Call Watch(Loop& loop) {
    grpc::ServerContext context;
    HealthCheckRequest request;
    grpc::ServerAsyncWriter<HealthCheckResponse> writer(&context);
    DoneTag done(context);
    const bool accepted = co_await Operation([&](void* tag) {
      service_.RequestWatch(&context, &request, &writer, loop.queue(), loop.queue(), tag);
    });
    if (!accepted) co_return;

    mailbox_ = std::make_shared<IntMailbox>(loop, 3);
    opened_.Notify();
    done.OnDone([&] {
      gone_.store(true);
      mailbox_->Close(absl::CancelledError("gone"));
    });
    const absl::Duration patience = request.service() == "deadline" ? absl::Milliseconds(10) : absl::Hours(1);
    Deadline deadline(loop, clock::Instant::Now() + patience,
                      [&] { mailbox_->Close(absl::DeadlineExceededError("late")); });
    for (;;) {
      std::optional<int> value = co_await mailbox_->Receive();
      if (!value.has_value()) break;
      HealthCheckResponse response;
      response.set_status(static_cast<HealthCheckResponse::ServingStatus>(*value));
      co_await Operation([&](void* tag) { writer.Write(response, tag); });
    }
    deadline.Cancel();
    co_await deadline;
    const absl::Status reason = mailbox_->reason();
    const grpc::Status status(static_cast<grpc::StatusCode>(reason.code()), std::string(reason.message()));
    co_await Operation([&](void* tag) { writer.Finish(status, tag); });
    co_await done;
  }

  Health::AsyncService service_;
  absl::Notification opened_;
  std::shared_ptr<IntMailbox> mailbox_;
  std::atomic<bool> gone_{false};
};

class Rpc : public ::testing::Test {
 protected:
  Rpc() : server_({.listen = "127.0.0.1:0", .unary_loops = 2, .stream_loops = 1}) {
    service_.Register(server_);
    auto address = server_.Start();
    EXPECT_TRUE(address.ok());
    service_.Arm(server_);
    server_.Run();
    stub_ = Health::NewStub(grpc::CreateChannel(*address, grpc::InsecureChannelCredentials()));
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  }
  ~Rpc() override { Shutdown(); }

  void Shutdown() {
    if (std::exchange(shut_down_, true)) return;
    server_.Shutdown(clock::Instant::Now() + absl::Milliseconds(100));
  }

  EchoService service_;
  Server server_;
  bool shut_down_ = false;
  std::unique_ptr<Health::Stub> stub_;
  grpc::ClientContext context_;
};

TEST_F(Rpc, ManyCallersAreAnsweredThroughAnotherThread) {
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([this] {
      for (int i = 0; i < 50; ++i) {
        grpc::ClientContext context;
        HealthCheckResponse response;
        EXPECT_TRUE(stub_->Check(&context, HealthCheckRequest(), &response).ok());
        EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
      }
    });
  }
  for (auto& caller : callers) caller.join();
}

TEST_F(Rpc, AMailboxCarriesValuesInOrderThenItsReason) {
  auto reader = stub_->Watch(&context_, HealthCheckRequest());
  const auto mailbox = service_.mailbox();
  HealthCheckResponse response;
  for (int value : {1, 2, 1, 3}) {
    EXPECT_TRUE(mailbox->Push(value));
    ASSERT_TRUE(reader->Read(&response));
    EXPECT_EQ(response.status(), value);
  }
  mailbox->Close(absl::UnavailableError("first"));
  mailbox->Close(absl::InternalError("second"));
  EXPECT_FALSE(mailbox->Push(1));
  EXPECT_FALSE(reader->Read(&response));
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "first");
}

TEST_F(Rpc, ACancelledCallReachesItsCoroutine) {
  auto reader = stub_->Watch(&context_, HealthCheckRequest());
  service_.mailbox();
  context_.TryCancel();
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  Shutdown();
  EXPECT_TRUE(service_.client_gone());
}

TEST_F(Rpc, ADeadlineClosesTheMailbox) {
  HealthCheckRequest request;
  request.set_service("deadline");
  auto reader = stub_->Watch(&context_, request);
  HealthCheckResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(Rpc, ShutdownCancelsAStreamThatDoesNotEndByItself) {
  auto reader = stub_->Watch(&context_, HealthCheckRequest());
  service_.mailbox();
  Shutdown();
  EXPECT_FALSE(reader->Finish().ok());
}

TEST_F(Rpc, IdleWorkRunsWhenNothingElseIsReadyAndMayPostItselfAgain) {
  struct Countdown final : Posted {
    Countdown(Loop& l, int n) : loop(l), left(n) {}
    void Run() override {
      EXPECT_TRUE(loop.IsCurrent());
      if (--left > 0) {
        loop.PostIdle(this);
      } else {
        done.Notify();
      }
    }
    Loop& loop;
    int left;
    absl::Notification done;
  };
  struct Starter final : Posted {
    explicit Starter(Countdown& c) : countdown(c) {}
    void Run() override { countdown.loop.PostIdle(&countdown); }
    Countdown& countdown;
  };
  Countdown countdown(*server_.unary_loops()[0], 100);
  Starter starter(countdown);
  countdown.loop.Post(&starter);
  countdown.done.WaitForNotification();
}

TEST_F(Rpc, PostsOfManyThreadsAllRun) {
  struct Counted final : Posted {
    void Run() override { counter->DecrementCount(); }
    absl::BlockingCounter* counter = nullptr;
  };
  constexpr int kThreads = 4;
  constexpr int kEach = 1000;
  absl::BlockingCounter counter(kThreads * kEach);
  std::vector<Counted> posts(kThreads * kEach);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        posts[t * kEach + i].counter = &counter;
        server_.unary_loops()[0]->Post(&posts[t * kEach + i]);
      }
    });
  }
  counter.Wait();
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace errand::rpc
