#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"

namespace errand {
namespace {

using ::testing::HasSubstr;

v1::SubmitTasksRequest Frame(int64_t client_sequence, int submissions) {
  v1::SubmitTasksRequest frame;
  frame.set_client_sequence(client_sequence);
  for (int i = 0; i < submissions; ++i)
    *frame.add_requests() = LuaRequest("return task.payload", absl::StrCat(i));
  return frame;
}

// A SubmitTasks call. Acknowledgements are checked to come in the order of the frames.
class Stream {
 public:
  explicit Stream(v1::Tasks::Stub& stub) {
    SetTestDeadline(context_);
    io_ = stub.SubmitTasks(&context_);
  }
  ~Stream() { context_.TryCancel(); }

  bool Write(const v1::SubmitTasksRequest& frame) { return io_->Write(frame); }
  void WritesDone() { io_->WritesDone(); }
  grpc::Status Finish() { return io_->Finish(); }
  void Cancel() { context_.TryCancel(); }

  // Reads acknowledgements until there are as many in all, or the stream has ended.
  void ReadAcks(size_t count) {
    v1::SubmitTasksResponse response;
    while (acks_.size() < count && io_->Read(&response)) {
      EXPECT_GT(response.acks_size(), 0);
      for (const auto& ack : response.acks()) {
        if (!acks_.empty()) {
          EXPECT_GT(ack.client_sequence(), acks_.back().client_sequence());
        }
        acks_.push_back(ack);
      }
    }
  }
  // Reads to the end.
  grpc::Status ReadToEnd() {
    ReadAcks(std::numeric_limits<size_t>::max());
    return Finish();
  }
  const std::vector<v1::SubmitTasksAck>& acks() const { return acks_; }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::SubmitTasksRequest, v1::SubmitTasksResponse>> io_;
  std::vector<v1::SubmitTasksAck> acks_;
};

int64_t CountTasks(v1::Queues::Stub& queues) {
  v1::GetQueueStatsRequest request;
  request.set_name("queues/default");
  v1::GetQueueStatsResponse response;
  EXPECT_TRUE(Call(queues, &v1::Queues::Stub::GetQueueStats, request, &response).ok());
  int64_t count = 0;
  for (const auto& [state, tasks] : response.stats().tasks_by_state()) count += tasks;
  return count;
}

TEST(SubmitTasks, FramesAreAcknowledgedInOrderAndTheStreamEndsWithOk) {
  ServerProcess server;
  Stream stream(server.tasks());
  for (int i = 1; i <= 200; ++i) ASSERT_TRUE(stream.Write(Frame(10 * i, 1 + i % 5)));
  stream.WritesDone();
  const grpc::Status status = stream.ReadToEnd();
  EXPECT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(stream.acks().size(), 200u);
  std::set<std::string> names;
  for (int i = 1; i <= 200; ++i) {
    const auto& ack = stream.acks()[i - 1];
    EXPECT_EQ(ack.client_sequence(), 10 * i);
    ASSERT_EQ(ack.results_size(), 1 + i % 5);
    for (const auto& result : ack.results()) names.insert(result.name());
  }
  EXPECT_EQ(names.size(), 600u);
  v1::Task task;
  ASSERT_TRUE(Wait(server.tasks(), stream.acks().back().results(0).name(), 30'000, &task).ok());
  EXPECT_EQ(task.result().data(), "0");
  EXPECT_EQ(server.Stop(), 0);
}

TEST(SubmitTasks, AFrameIsAcknowledgedWhileTheStreamGoesOn) {
  ServerProcess server;
  Stream stream(server.tasks());
  for (size_t i = 1; i <= 50; ++i) {
    ASSERT_TRUE(stream.Write(Frame(static_cast<int64_t>(i), 3)));
    stream.ReadAcks(i);
    ASSERT_EQ(stream.acks().size(), i);
  }
  stream.WritesDone();
  EXPECT_TRUE(stream.ReadToEnd().ok());
}

TEST(SubmitTasks, NothingSubmittedEndsWithOk) {
  ServerProcess server;
  Stream stream(server.tasks());
  stream.WritesDone();
  EXPECT_TRUE(stream.ReadToEnd().ok());
  EXPECT_TRUE(stream.acks().empty());
}

TEST(SubmitTasks, ARefusalIsThatOfCreateTaskAndTheStreamGoesOn) {
  ServerProcess server;
  v1::CreateTaskRequest taken = LuaRequest("return 1");
  taken.set_task_id("taken");
  v1::Task task;
  ASSERT_TRUE(Create(server.tasks(), taken, &task).ok());

  v1::SubmitTasksRequest frame = Frame(1, 6);
  frame.mutable_requests(0)->mutable_task()->set_priority(10);
  frame.mutable_requests(1)->mutable_task()->mutable_lua()->set_source("if then");
  frame.mutable_requests(2)->set_task_id("taken");
  frame.mutable_requests(3)->set_validate_only(true);
  frame.mutable_requests(4)->set_task_id("good");
  Stream stream(server.tasks());
  ASSERT_TRUE(stream.Write(frame));
  v1::SubmitTasksRequest refused = Frame(2, 1);
  refused.mutable_requests(0)->clear_task();
  ASSERT_TRUE(stream.Write(refused));
  ASSERT_TRUE(stream.Write(Frame(3, 1)));
  stream.WritesDone();
  EXPECT_TRUE(stream.ReadToEnd().ok());
  ASSERT_EQ(stream.acks().size(), 3u);

  const auto& results = stream.acks()[0].results();
  ASSERT_EQ(results.size(), 6);
  for (int i = 0; i < 6; ++i) {
    if (!results[i].has_error()) continue;
    const grpc::Status alone = Create(server.tasks(), frame.requests(i), &task);
    if (i == 3) continue;  // CreateTask allows it.
    google::rpc::Status expected;
    ASSERT_TRUE(expected.ParseFromString(alone.error_details()));
    EXPECT_EQ(results[i].error().code(), expected.code());
    EXPECT_EQ(results[i].error().message(), expected.message());
    EXPECT_EQ(results[i].error().details_size(), expected.details_size());
  }
  EXPECT_EQ(FieldOf(results[0].error()), "task.priority");
  EXPECT_EQ(FieldOf(results[1].error()), "task.lua.source");
  EXPECT_EQ(results[2].error().code(), static_cast<int>(grpc::StatusCode::ALREADY_EXISTS));
  EXPECT_EQ(FieldOf(results[3].error()), "validate_only");
  EXPECT_EQ(results[4].name(), "queues/default/tasks/good");
  EXPECT_FALSE(results[5].name().empty());
  EXPECT_EQ(FieldOf(stream.acks()[1].results(0).error()), "task");
  EXPECT_FALSE(stream.acks()[2].results(0).name().empty());
}

TEST(SubmitTasks, AFullQueueRefusesWhatIsTooMuch) {
  ServerProcess server({"--queue_max_tasks=3"});
  PauseQueue(server.queues(), "queues/default");
  Stream stream(server.tasks());
  ASSERT_TRUE(stream.Write(Frame(1, 5)));
  stream.WritesDone();
  EXPECT_TRUE(stream.ReadToEnd().ok());
  const auto& results = stream.acks().at(0).results();
  EXPECT_FALSE(results[2].name().empty());
  EXPECT_EQ(ReasonOf(results[3].error()), "QUEUE_FULL");
  EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(results[4].error()).has_value());
}

TEST(SubmitTasks, WhatIsSentAgainIsCreatedOnce) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  v1::SubmitTasksRequest frame = Frame(1, 3);
  for (int i = 0; i < 3; ++i) frame.mutable_requests(i)->set_request_id(absl::StrCat("only-once-", i));
  std::vector<std::string> names[2];
  for (auto& seen : names) {
    Stream stream(server.tasks());
    ASSERT_TRUE(stream.Write(frame));
    stream.WritesDone();
    EXPECT_TRUE(stream.ReadToEnd().ok());
    for (const auto& result : stream.acks().at(0).results()) seen.push_back(result.name());
  }
  EXPECT_EQ(names[0], names[1]);
  EXPECT_EQ(CountTasks(server.queues()), 3);
}

TEST(SubmitTasks, AWrongFrameEndsTheStreamAfterThoseBeforeItAreAcknowledged) {
  ServerProcess server;
  struct Case {
    v1::SubmitTasksRequest frame;
    const char* field;
  };
  for (const Case& wrong : {Case{Frame(7, 1), "client_sequence"}, Case{Frame(6, 1), "client_sequence"},
                            Case{Frame(-1, 1), "client_sequence"}, Case{Frame(8, 0), "requests"},
                            Case{Frame(8, 1001), "requests"}}) {
    Stream stream(server.tasks());
    ASSERT_TRUE(stream.Write(Frame(7, 2)));
    ASSERT_TRUE(stream.Write(wrong.frame));
    const grpc::Status status = stream.ReadToEnd();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(FieldOf(status), wrong.field);
    ASSERT_EQ(stream.acks().size(), 1u);
    EXPECT_EQ(stream.acks()[0].results_size(), 2);
  }
  Stream stream(server.tasks());
  ASSERT_TRUE(stream.Write(Frame(0, 1)));
  EXPECT_EQ(FieldOf(stream.ReadToEnd()), "client_sequence");
}

// Sends bytes as one frame, then closes its side.
grpc::Status SendBytes(const ServerProcess& server, const std::string& bytes) {
  grpc::GenericStub stub(server.NewChannel());
  grpc::ClientContext context;
  SetTestDeadline(context);
  grpc::CompletionQueue queue;
  const auto next = [&queue] {
    void* tag;
    bool ok = false;
    EXPECT_TRUE(queue.Next(&tag, &ok));
    return ok;
  };
  auto io = stub.PrepareCall(&context, "/errand.v1.Tasks/SubmitTasks", &queue);
  io->StartCall(nullptr);
  next();
  const grpc::Slice slice(bytes);
  io->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  next();
  io->WritesDone(nullptr);
  next();
  grpc::ByteBuffer answer;
  for (bool more = true; more;) {
    io->Read(&answer, nullptr);
    more = next();
  }
  grpc::Status status;
  io->Finish(&status, nullptr);
  next();
  return status;
}

TEST(SubmitTasks, BytesThatAreNoFrameAreRefused) {
  ServerProcess server;
  v1::SubmitTasksRequest frame = Frame(1, 1);
  const std::string good = frame.SerializeAsString();
  EXPECT_TRUE(SendBytes(server, good).ok());
  for (const std::string& bad :
       {std::string("\xff\xff\xff\xff"), good.substr(0, good.size() - 1), good + "\x0a"}) {
    const grpc::Status status = SendBytes(server, bad);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_EQ(ReasonOf(status), "INVALID_FRAME");
  }
  EXPECT_FALSE(SendBytes(server, std::string(20 << 20, 'x')).ok()) << "larger than any message may be";
  EXPECT_EQ(FieldOf(SendBytes(server, "")), "client_sequence");
  EXPECT_TRUE(SendBytes(server, good).ok()) << "the server goes on";
  EXPECT_EQ(server.Stop(), 0);
}

TEST(SubmitTasks, TheServerStopsReadingWhileTheClientDoesNot) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  constexpr int kFrames = 300;
  Stream stream(server.tasks());
  std::atomic<int> written{0};
  std::thread writer([&] {
    const v1::SubmitTasksRequest frame = Frame(1, 1000);
    for (int i = 1; i <= kFrames; ++i) {
      v1::SubmitTasksRequest numbered = frame;
      numbered.set_client_sequence(i);
      if (!stream.Write(numbered)) break;
      ++written;
    }
    stream.WritesDone();
  });
  // Until nothing has changed for a while: a server that never stops comes to all of them.
  int64_t count = 0;
  for (int unchanged = 0; unchanged < 300;) {
    const int64_t now = CountTasks(server.queues());
    unchanged = now == count && written > 0 ? unchanged + 1 : 0;
    count = now;
  }
  EXPECT_LT(count, 1000 * kFrames);
  const grpc::Status status = stream.ReadToEnd();
  writer.join();
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(stream.acks().size(), static_cast<size_t>(kFrames));
  EXPECT_EQ(CountTasks(server.queues()), 1000 * kFrames);
}

TEST(SubmitTasks, AStreamEndsWithUnavailableWhenTheServerShutsDown) {
  ServerProcess server({"--drain_timeout=100ms"});
  Stream busy(server.tasks());
  Stream idle(server.tasks());
  ASSERT_TRUE(busy.Write(Frame(1, 5)));
  ASSERT_TRUE(idle.Write(Frame(1, 1)));
  busy.ReadAcks(1);
  idle.ReadAcks(1);
  std::thread writer([&] {
    for (int64_t i = 2; busy.Write(Frame(i, 5)); ++i) {
    }
  });
  busy.ReadAcks(20);
  server.Signal(SIGTERM);
  for (Stream* stream : {&busy, &idle}) {
    const grpc::Status status = stream->ReadToEnd();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
    EXPECT_EQ(ReasonOf(status), "SHUTTING_DOWN")
        << status.error_message() << (stream == &busy ? " busy" : " idle");
    EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(status).has_value());
    for (const auto& ack : stream->acks()) {
      for (const auto& result : ack.results()) EXPECT_TRUE(result.has_name());
    }
  }
  writer.join();
  EXPECT_EQ(server.Wait(), 0);
}

TEST(SubmitTasks, ClientsThatVanishLeaveNothingBehind) {
  ServerProcess server({"--drain_timeout=100ms"});
  PauseQueue(server.queues(), "queues/default");
  for (int round = 1; round <= 30; ++round) {
    Stream stream(server.tasks());
    for (int i = 1; i <= round; ++i) stream.Write(Frame(i, 200));
    if (round % 3 == 0) stream.ReadAcks(1);
    stream.Cancel();
    EXPECT_EQ(stream.ReadToEnd().error_code(), grpc::StatusCode::CANCELLED);
  }
  Stream stream(server.tasks());
  ASSERT_TRUE(stream.Write(Frame(1, 1)));
  stream.WritesDone();
  EXPECT_TRUE(stream.ReadToEnd().ok());
  EXPECT_EQ(server.Stop(), 0);
}

TEST(SubmitTasks, ManyStreamsSubmitSideBySide) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  std::vector<std::thread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&server] {
      const auto stub = v1::Tasks::NewStub(server.NewChannel());
      Stream stream(*stub);
      for (int i = 1; i <= 50; ++i) EXPECT_TRUE(stream.Write(Frame(i, 20)));
      stream.WritesDone();
      EXPECT_TRUE(stream.ReadToEnd().ok());
      EXPECT_EQ(stream.acks().size(), 50u);
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(CountTasks(server.queues()), 8 * 50 * 20);
}

}  // namespace
}  // namespace errand
