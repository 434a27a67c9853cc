#include <gmock/gmock.h>
#include <grpcpp/support/client_callback.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <vector>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"
#include "tests/paths/paths.h"

namespace errand {
namespace {

using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;

// Under a sanitizer everything takes longer.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kStreams = 300;
#else
constexpr int kStreams = 1000;
#endif

// A WatchTask call that reads whatever comes.
class Watch : public grpc::ClientReadReactor<v1::WatchTaskResponse> {
 public:
  Watch(v1::Tasks::Stub& stub, const std::string& name, absl::BlockingCounter* first_events,
        absl::BlockingCounter* ends)
      : first_events_(first_events), ends_(ends) {
    SetTestDeadline(context_);
    request_.set_name(name);
    stub.async()->WatchTask(&context_, &request_, this);
    StartRead(&response_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (std::exchange(first_, false)) first_events_->DecrementCount();
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    status_ = status;
    ends_->DecrementCount();
  }
  const grpc::Status& status() const { return status_; }
  void TryCancel() { context_.TryCancel(); }

 private:
  absl::BlockingCounter* const first_events_;
  absl::BlockingCounter* const ends_;
  grpc::ClientContext context_;
  v1::WatchTaskRequest request_;
  v1::WatchTaskResponse response_;
  bool first_ = true;
  grpc::Status status_;
};

std::string CreateSleeper(const ServerProcess& server) {
  v1::Task task;
  EXPECT_TRUE(Create(server.tasks(), LuaRequest("task.sleep(600)"), &task).ok());
  return task.name();
}

TEST(Shutdown, EveryOpenStreamGetsAFinalStatusAndTheServerExitsWithZero) {
  ServerProcess server({"--drain_timeout=100ms"});
  const std::string name = CreateSleeper(server);
  absl::BlockingCounter first_events(kStreams);
  absl::BlockingCounter ends(kStreams);
  std::vector<std::unique_ptr<v1::Tasks::Stub>> stubs;
  for (int i = 0; i < 4; ++i) stubs.push_back(v1::Tasks::NewStub(server.NewChannel()));
  std::vector<std::unique_ptr<Watch>> watches;
  for (int i = 0; i < kStreams; ++i) {
    watches.push_back(std::make_unique<Watch>(*stubs[i % stubs.size()], name, &first_events, &ends));
  }
  first_events.Wait();
  server.Signal(SIGTERM);
  ends.Wait();
  for (const auto& watch : watches) {
    EXPECT_EQ(watch->status().error_code(), grpc::StatusCode::UNAVAILABLE) << watch->status().error_message();
    EXPECT_EQ(ReasonOf(watch->status()), "SHUTTING_DOWN");
  }
  EXPECT_EQ(server.Wait(), 0);
}

TEST(Shutdown, StreamsWhoseClientsHaveGoneLeaveNothingBehind) {
  ServerProcess server({"--drain_timeout=100ms"});
  const std::string name = CreateSleeper(server);
  for (int round = 0; round < 3; ++round) {
    constexpr int kGone = 100;
    absl::BlockingCounter first_events(kGone);
    absl::BlockingCounter ends(kGone);
    std::vector<std::unique_ptr<Watch>> watches;
    for (int i = 0; i < kGone; ++i) {
      watches.push_back(std::make_unique<Watch>(server.tasks(), name, &first_events, &ends));
    }
    first_events.Wait();
    for (const auto& watch : watches) watch->TryCancel();
    ends.Wait();
    for (const auto& watch : watches) EXPECT_EQ(watch->status().error_code(), grpc::StatusCode::CANCELLED);
  }
  v1::Task task;
  EXPECT_TRUE(Get(server.tasks(), name, &task).ok());
  EXPECT_EQ(server.Stop(), 0);
}

TEST(Shutdown, AClientThatNeverReadsHoldsUpNeitherTheTaskNorTheShutdown) {
  ServerProcess server({"--drain_timeout=100ms"});
  v1::CreateTaskRequest create =
      LuaRequest("for i = 1, 800 do task.log('info', ('x'):rep(4000)) end return 'done'");
  create.mutable_task()->mutable_limits()->set_output_bytes(16 << 20);
  v1::Task task;
  ASSERT_TRUE(Create(server.tasks(), create, &task).ok());
  grpc::ClientContext context;
  SetTestDeadline(context);
  v1::WatchTaskRequest request;
  request.set_name(task.name());
  auto reader = server.tasks().WatchTask(&context, request);
  ASSERT_TRUE(Wait(*v1::Tasks::NewStub(server.NewChannel()), task.name(), 30'000, &task).ok());
  EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(server.Stop(), 0);
  context.TryCancel();
  reader->Finish();
}

TEST(Shutdown, RunningTasksFinishAndTheirStreamsSeeTheEnd) {
  ServerProcess server({"--drain_timeout=30s"});
  grpc::ClientContext context;
  SetTestDeadline(context);
  v1::RunTaskRequest request;
  *request.mutable_create() = LuaRequest("task.log('info', 'started') task.sleep(0.3) return 'done'");
  auto reader = server.tasks().RunTask(&context, request);
  v1::RunTaskResponse response;
  v1::TaskState last = v1::TASK_STATE_UNSPECIFIED;
  bool signalled = false;
  while (reader->Read(&response)) {
    for (const auto& event : response.events()) {
      if (event.has_state()) last = event.state().state();
      if (event.has_log() && !std::exchange(signalled, true)) server.Signal(SIGTERM);
    }
  }
  EXPECT_TRUE(signalled);
  EXPECT_EQ(last, v1::TASK_STATE_SUCCEEDED);
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(server.Wait(), 0);
}

// Has one task running, and told the server to stop: the drain has begun, and lasts as long as the task.
class Drain {
 public:
  explicit Drain(const ServerProcess& server) : name_(CreateSleeper(server)) {
    WaitForState(server.tasks(), name_, v1::TASK_STATE_RUNNING);
    const auto health = grpc::health::v1::Health::NewStub(server.NewChannel());
    SetTestDeadline(context_);
    reader_ = health->Watch(&context_, HealthCheckRequest());
    HealthCheckResponse status;
    EXPECT_TRUE(reader_->Read(&status));
    EXPECT_EQ(status.status(), HealthCheckResponse::SERVING);
    server.Signal(SIGTERM);
    EXPECT_TRUE(reader_->Read(&status));
    EXPECT_EQ(status.status(), HealthCheckResponse::NOT_SERVING);
  }

  const std::string& task() const { return name_; }

 private:
  const std::string name_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<HealthCheckResponse>> reader_;
};

TEST(Shutdown, HealthSaysNotServingFirstAndNewWorkIsRefusedWithARetryDelay) {
  ServerProcess server({"--drain_timeout=30s"});
  const Drain drain(server);
  v1::Task task;
  grpc::Status refused = Create(server.tasks(), LuaRequest("return 1"), &task);
  while (refused.ok()) refused = Create(server.tasks(), LuaRequest("return 1"), &task);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(refused), "SHUTTING_DOWN");
  EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(refused).has_value());
  EXPECT_TRUE(Get(server.tasks(), drain.task(), &task).ok()) << "looking up goes on";
  EXPECT_TRUE(Cancel(server.tasks(), drain.task()).ok());
  EXPECT_EQ(server.Wait(), 0);
}

TEST(Shutdown, ASecondSignalEndsItAtOnce) {
  ServerProcess server({"--drain_timeout=600s"});
  const Drain drain(server);
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), -SIGTERM);
}

TEST(Shutdown, AnAddressThatIsTakenIsAnErrorAtStart) {
  ServerProcess server;
  const Finished second = RunProgram({kErranddPath, "--listen=" + server.address()});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_THAT(second.errors, ::testing::HasSubstr("cannot listen on " + server.address()));
}

TEST(CommandLine, HelpAndVersionExitWithZeroAndBadFlagsWithTwo) {
  const Finished help = RunProgram({kErranddPath, "--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.output, ::testing::HasSubstr("--drain_timeout"));
  EXPECT_EQ(RunProgram({kErranddPath, "--version"}).exit_code, 0);
  for (const char* flag : {"--drain_timeout=-1s", "--lua_workers=many", "--listen=nowhere",
                           "--smtp_tls=maybe", "--queues=UPPER", "--nonsense=1"}) {
    const Finished finished = RunProgram({kErranddPath, flag});
    EXPECT_EQ(finished.exit_code, 2) << flag;
    const std::string name(flag, std::string(flag).find('='));
    EXPECT_THAT(finished.errors, ::testing::HasSubstr(name)) << flag;
  }
}

}  // namespace
}  // namespace errand
