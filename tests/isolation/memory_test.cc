// Clients that make the server keep what they can, and its limit of memory.
#include <grpcpp/completion_queue.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"
#include "tests/isolation/canary.h"
#include "tests/isolation/server_figures.h"

namespace errand {
namespace {

constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kLimit = 512 * kMiB;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryIsTheServers = false;  // Most of it is the sanitizer's.
#else
constexpr bool kMemoryIsTheServers = true;
#endif

// A server of 512 MiB, a canary beside whatever the test does to it, and what it took at most.
class Memory : public ::testing::Test {
 protected:
  ~Memory() override {
    canary_.Finish(testing::UnitTest::GetInstance()->current_test_info()->name());
    std::printf("  resident at most %lld MiB\n", static_cast<long long>(peak_.bytes() / kMiB));
    if (!kMemoryIsTheServers) return;
    EXPECT_LT(peak_.bytes(), kLimit);
  }

  // Waits for its end.
  v1::Task Run(const v1::CreateTaskRequest& request) {
    v1::Task task;
    EXPECT_TRUE(Create(server_.tasks(), request, &task).ok());
    EXPECT_TRUE(Wait(server_.tasks(), task.name(), 30'000, &task).ok());
    return task;
  }

  ServerProcess server_{{"--memory_limit=512MiB", "--lua_workers=2"}};
  PeakMemory peak_{server_.pid()};
  Canary canary_{server_};
};

v1::CreateTaskRequest Request(const std::string& source, size_t payload_bytes = 0) {
  v1::CreateTaskRequest request = LuaRequest(source, std::string(payload_bytes, 'x'));
  request.set_parent("queues/flood");
  return request;
}

TEST_F(Memory, HoldsPayloadsOfEndedTasksAsFarAsTheyFit) {
  const v1::CreateTaskRequest request = Request("return 1", kMiB - 1024);
  v1::Task last;
  for (int i = 0; i < 600; ++i) {
    const grpc::Status created = Create(server_.tasks(), request, &last);
    // So many wait that there is no room: they run.
    EXPECT_EQ(ReasonOf(created), created.ok() ? "no ErrorInfo" : "MEMORY_FULL");
    if (i % 10 == 0 && created.ok()) WaitForState(server_.tasks(), last.name(), v1::TASK_STATE_SUCCEEDED);
  }
  EXPECT_EQ(Run(Request("return 1")).state(), v1::TASK_STATE_SUCCEEDED) << "the latest is kept";
}

TEST_F(Memory, RefusesTasksThatWaitWhereTheyWouldNotFit) {
  v1::CreateTaskRequest request = Request("return 1", kMiB - 1024);
  request.mutable_task()->mutable_schedule_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) + 3'600);
  grpc::Status refused;
  v1::Task task;
  for (int i = 0; i < 1'000 && refused.ok(); ++i) {
    // From many queues: each may take as much as is left.
    request.set_parent(absl::StrCat("queues/flood-", i % 20));
    refused = Create(server_.tasks(), request, &task);
  }
  EXPECT_EQ(ReasonOf(refused), "MEMORY_FULL");
}

TEST_F(Memory, HoldsLargeResultsAsFarAsTheyFit) {
  v1::CreateTaskRequest request = Request("return string.rep('x', 8 * 1024 * 1024)");
  request.mutable_task()->mutable_limits()->set_output_bytes(10 * kMiB);
  request.mutable_task()->mutable_limits()->set_memory_bytes(128 * kMiB);
  v1::Task task;
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(Create(server_.tasks(), request, &task).ok());
    WaitForState(server_.tasks(), task.name(), v1::TASK_STATE_RUNNING);
  }
  request.mutable_task()->mutable_limits()->set_output_bytes(64 * kMiB);
  EXPECT_EQ(FieldOf(Create(server_.tasks(), request, &task)), "task.limits.output_bytes");
}

TEST(DurableMemory, DoesNotHoldLargeResultsThatAreOnTheDisk) {
  std::string folder = (std::filesystem::temp_directory_path() / "errand-data-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  {
    ServerProcess server({"--memory_limit=512MiB", "--lua_workers=2", "--data_dir=" + folder});
    const PeakMemory peak(server.pid());
    v1::CreateTaskRequest request = Request("return string.rep('x', 8 * 1024 * 1024)");
    request.mutable_task()->mutable_limits()->set_output_bytes(10 * kMiB);
    request.mutable_task()->mutable_limits()->set_memory_bytes(128 * kMiB);
    std::vector<std::string> names;
    for (int i = 0; i < 40; ++i) {
      v1::Task task;
      ASSERT_TRUE(Create(server.tasks(), request, &task).ok());
      WaitForState(server.tasks(), task.name(), v1::TASK_STATE_SUCCEEDED);
      names.push_back(task.name());
    }
    for (const std::string& name : names) {
      grpc::ClientContext context;
      SetTestDeadline(context);
      v1::ReadResultRequest read;
      read.set_name(name);
      const auto reader = server.tasks().ReadResult(&context, read);
      v1::ReadResultResponse response;
      size_t bytes = 0;
      while (reader->Read(&response)) bytes += response.piece().data().size();
      ASSERT_TRUE(reader->Finish().ok()) << name;
      ASSERT_EQ(bytes, size_t{8 * kMiB}) << name;
    }
    std::printf("  resident at most %lld MiB\n", static_cast<long long>(peak.bytes() / kMiB));
    if (kMemoryIsTheServers) {
      EXPECT_LT(peak.bytes(), kLimit);
    }
  }
  std::filesystem::remove_all(folder);
}

TEST_F(Memory, HoldsWhatScriptsSayAsFarAsItFits) {
  v1::CreateTaskRequest request =
      Request("local line = string.rep('x', 4000) for i = 1, 2500 do task.log(line) end task.sleep(600)");
  request.mutable_task()->mutable_limits()->set_output_bytes(10 * kMiB);
  request.mutable_task()->mutable_run_timeout()->set_seconds(3'600);
  v1::Task task;
  grpc::Status refused;
  int begun = 0;
  for (; begun < 40 && refused.ok(); ++begun) {
    refused = Create(server_.tasks(), request, &task);
    if (refused.ok()) WaitForState(server_.tasks(), task.name(), v1::TASK_STATE_RUNNING);
  }
  EXPECT_EQ(ReasonOf(refused), "MEMORY_FULL") << "what they say takes the queue's part of the memory";
  EXPECT_GT(begun, 2);
}

TEST_F(Memory, HoldsAnswersThatNobodyReadsAsFarAsTheyFit) {
  v1::CreateTaskRequest request = Request("return string.rep('x', 3 * 1024 * 1024)");
  request.mutable_task()->mutable_limits()->set_output_bytes(4 * kMiB);
  const v1::Task task = Run(request);
  struct Stream {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientAsyncReader<v1::WatchTaskResponse>> reader;
  };
  v1::WatchTaskRequest watch;
  watch.set_name(task.name());
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<std::unique_ptr<v1::Tasks::Stub>> stubs;
  for (int i = 0; i < 400; ++i) {
    if (i % 20 == 0) stubs.push_back(v1::Tasks::NewStub(server_.NewChannel()));
    streams.push_back(std::make_unique<Stream>());
    streams.back()->reader = stubs.back()->AsyncWatchTask(&streams.back()->context, watch, &queue, nullptr);
    void* tag;
    bool ok;
    ASSERT_TRUE(queue.Next(&tag, &ok));
  }
  // All are answered, or refused, while the canary goes on.
  absl::SleepFor(absl::Seconds(3));
  for (const auto& stream : streams) stream->context.TryCancel();
  streams.clear();
  queue.Shutdown();
  void* tag;
  bool ok;
  while (queue.Next(&tag, &ok)) {
  }
}

}  // namespace
}  // namespace errand
