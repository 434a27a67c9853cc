#include "errand/submit_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "errand/channel.h"
#include "errand/error.h"
#include "tests/client/fake_server.h"
#include "tests/client/quick_retries.h"

namespace errand {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

class SubmitStreamTest : public ::testing::Test {
 protected:
  static SubmitOptions Quick() {
    SubmitOptions options;
    options.retry = QuickRetries();
    return options;
  }

  SubmitStream::OnResult Remember() {
    return [this](int64_t index, const v1::CreateTaskRequest& request, const v1::SubmitResult& result) {
      EXPECT_EQ(index, static_cast<int64_t>(names_.size()));
      names_.push_back(result.name());
      ids_.push_back(request.request_id());
    };
  }

  // A frame of the tasks "first" to "first + count - 1".
  static v1::SubmitTasksRequest Frame(int first, int count) {
    v1::SubmitTasksRequest frame;
    for (int i = first; i < first + count; ++i) frame.add_requests()->set_request_id(absl::StrCat("r", i));
    return frame;
  }

  static grpc::Status AcknowledgeAll(FakeServer::SubmitReaderWriter& stream) {
    v1::SubmitTasksRequest frame;
    while (stream.Read(&frame)) stream.Write(Acknowledge(frame));
    return grpc::Status::OK;
  }

  FakeServer fake_;
  std::vector<std::string> names_;  // Written by the stream's thread, read after Finish().
  std::vector<std::string> ids_;
};

TEST_F(SubmitStreamTest, ResultsComeInTheOrderOfTheRequests) {
  std::vector<int64_t> sequences;
  fake_.submit = [&](auto&, auto& stream) {
    v1::SubmitTasksRequest frame;
    while (stream.Read(&frame)) {
      sequences.push_back(frame.client_sequence());
      stream.Write(Acknowledge(frame));
    }
    return grpc::Status::OK;
  };
  SubmitStream stream(Dial(fake_.address()), Remember(), Quick());
  EXPECT_TRUE(stream.Send(Frame(0, 2)).ok());
  EXPECT_TRUE(stream.Send(Frame(2, 1)).ok());
  const absl::Status status = stream.Finish();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(ids_, ElementsAre("r0", "r1", "r2"));
  EXPECT_THAT(names_,
              ElementsAre("queues/default/tasks/r0", "queues/default/tasks/r1", "queues/default/tasks/r2"));
  EXPECT_THAT(sequences, ElementsAre(1, 2));
  EXPECT_TRUE(absl::IsFailedPrecondition(stream.Send(Frame(3, 1))));
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(SubmitStreamTest, AConnectionLostMidwayCreatesEveryTaskExactlyOnce) {
  constexpr int kFrames = 200;
  absl::Mutex mu;
  // As the server does: a request_id that it has seen gives the task that it created.
  std::map<std::string, int> created;
  std::map<std::string, int> received;
  int streams = 0;
  fake_.submit = [&](auto&, auto& stream) {
    v1::SubmitTasksRequest frame;
    for (int frames = 0; stream.Read(&frame); ++frames) {
      absl::MutexLock lock(&mu);
      if (frames == 0) ++streams;
      for (const v1::CreateTaskRequest& request : frame.requests()) {
        ++received[request.request_id()];
        created.emplace(request.request_id(), created.size());
      }
      // Seen, and never acknowledged: in one stream after another, and in two ways.
      if (frames == 7 && streams < 12) return streams % 2 == 0 ? Unavailable() : grpc::Status::CANCELLED;
      stream.Write(Acknowledge(frame));
    }
    return grpc::Status::OK;
  };
  SubmitStream stream(Dial(fake_.address()), Remember(), Quick());
  for (int i = 0; i < kFrames; ++i) ASSERT_TRUE(stream.Send(Frame(i * 3, 3)).ok());
  const absl::Status status = stream.Finish();
  EXPECT_TRUE(status.ok()) << status;
  absl::MutexLock lock(&mu);
  EXPECT_EQ(streams, 12);
  ASSERT_THAT(ids_, SizeIs(kFrames * 3));
  for (int i = 0; i < kFrames * 3; ++i) EXPECT_EQ(ids_[i], absl::StrCat("r", i));
  EXPECT_THAT(created, SizeIs(kFrames * 3));
  // The test is about what was sent twice.
  EXPECT_GE(std::count_if(received.begin(), received.end(), [](const auto& id) { return id.second > 1; }),
            11);
}

TEST_F(SubmitStreamTest, ARequestWithoutAnIdIsGivenOneAndKeepsIt) {
  std::vector<std::string> ids;
  fake_.submit = [&](auto&, auto& stream) {
    v1::SubmitTasksRequest frame;
    while (stream.Read(&frame)) {
      ids.push_back(frame.requests(0).request_id());
      if (ids.size() == 1) return Unavailable();
      stream.Write(Acknowledge(frame));
    }
    return grpc::Status::OK;
  };
  SubmitStream stream(Dial(fake_.address()), Remember(), Quick());
  v1::SubmitTasksRequest frame;
  frame.add_requests();
  EXPECT_TRUE(stream.Send(frame).ok());
  EXPECT_TRUE(stream.Finish().ok());
  ASSERT_THAT(ids, SizeIs(2));
  EXPECT_THAT(ids[0], SizeIs(36));
  EXPECT_EQ(ids[0], ids[1]);
}

TEST_F(SubmitStreamTest, ARefusedTaskIsAResultAndTheOthersGoOn) {
  fake_.submit = [](auto&, auto& stream) {
    v1::SubmitTasksRequest frame;
    while (stream.Read(&frame)) {
      v1::SubmitTasksResponse response = Acknowledge(frame);
      response.mutable_acks(0)->mutable_results(1)->mutable_error()->set_code(8);
      stream.Write(response);
    }
    return grpc::Status::OK;
  };
  std::vector<int> codes;
  SubmitStream stream(
      Dial(fake_.address()),
      [&](int64_t, const auto&, const v1::SubmitResult& result) { codes.push_back(result.error().code()); },
      Quick());
  EXPECT_TRUE(stream.Send(Frame(0, 3)).ok());
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_THAT(codes, ElementsAre(0, 8, 0));
}

TEST_F(SubmitStreamTest, SendWaitsWhileTooMuchIsOutstanding) {
  absl::Mutex mu;
  int received = 0;
  bool acknowledge = false;
  fake_.submit = [&](auto&, auto& stream) {
    v1::SubmitTasksRequest frame;
    while (stream.Read(&frame)) {
      absl::MutexLock lock(&mu);
      ++received;
      mu.Await(absl::Condition(&acknowledge));
      stream.Write(Acknowledge(frame));
    }
    return grpc::Status::OK;
  };
  SubmitOptions options = Quick();
  options.max_outstanding_tasks = 4;
  SubmitStream stream(Dial(fake_.address()), Remember(), options);
  std::atomic<int> sent = 0;
  absl::Notification full;
  std::thread sender([&] {
    for (int i = 0; i < 4; ++i) {
      if (i == 2) full.Notify();
      EXPECT_TRUE(stream.Send(Frame(i * 2, 2)).ok());
      ++sent;
    }
  });
  full.WaitForNotification();
  EXPECT_EQ(sent, 2);
  {
    absl::MutexLock lock(&mu);
    acknowledge = true;
  }
  sender.join();
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_THAT(names_, SizeIs(8));
  EXPECT_EQ(received, 4);
}

TEST_F(SubmitStreamTest, ASecondStreamIsOpenedOnlyForAnotherFrame) {
  std::atomic<int> streams = 0;
  absl::Notification first_ended;
  fake_.submit = [&](auto&, auto& stream) {
    v1::SubmitTasksRequest frame;
    stream.Read(&frame);
    stream.Write(Acknowledge(frame));
    if (++streams == 1) {
      first_ended.Notify();
      return Unavailable();
    }
    return AcknowledgeAll(stream);
  };
  SubmitStream stream(Dial(fake_.address()), Remember(), Quick());
  EXPECT_TRUE(stream.Send(Frame(0, 1)).ok());
  first_ended.WaitForNotification();
  EXPECT_TRUE(stream.Send(Frame(1, 1)).ok());
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_EQ(streams, 2);
  EXPECT_THAT(names_, SizeIs(2));
}

TEST_F(SubmitStreamTest, NothingToSendMakesNoCall) {
  std::atomic<int> streams = 0;
  fake_.submit = [&](auto&, auto& stream) {
    ++streams;
    return AcknowledgeAll(stream);
  };
  SubmitStream stream(Dial(fake_.address()), Remember(), Quick());
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_EQ(streams, 0);
}

TEST_F(SubmitStreamTest, AnErrorOfTheServerEndsTheSubmission) {
  fake_.submit = [](auto&, auto& stream) {
    v1::SubmitTasksRequest frame;
    stream.Read(&frame);
    return InvalidField("client_sequence", "must increase");
  };
  SubmitStream stream(Dial(fake_.address()), Remember(), Quick());
  EXPECT_TRUE(stream.Send(Frame(0, 1)).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(stream.Finish()));
  EXPECT_TRUE(absl::IsInvalidArgument(stream.Send(Frame(1, 1))));
  EXPECT_THAT(names_, IsEmpty());
}

TEST_F(SubmitStreamTest, AnAcknowledgementThatDoesNotFitEndsTheSubmission) {
  fake_.submit = [](grpc::ServerContext& context, auto& stream) {
    v1::SubmitTasksRequest frame;
    stream.Read(&frame);
    frame.add_requests();
    stream.Write(Acknowledge(frame));
    return BlockUntilCancelled(context);
  };
  SubmitStream stream(Dial(fake_.address()), Remember(), Quick());
  EXPECT_TRUE(stream.Send(Frame(0, 1)).ok());
  const absl::Status status = stream.Finish();
  EXPECT_TRUE(absl::IsInternal(status)) << status;
}

TEST_F(SubmitStreamTest, AServerThatStaysAwayIsGivenUp) {
  SubmitOptions options = Quick();
  options.retry.give_up_after = absl::Milliseconds(100);
  SubmitStream stream(Dial("127.0.0.1:1"), Remember(), options);
  EXPECT_TRUE(stream.Send(Frame(0, 1)).ok());
  EXPECT_TRUE(absl::IsUnavailable(stream.Finish()));
}

TEST_F(SubmitStreamTest, CancelEndsASendThatWaits) {
  absl::Notification received;
  fake_.submit = [&](grpc::ServerContext& context, auto& stream) {
    v1::SubmitTasksRequest frame;
    stream.Read(&frame);
    received.Notify();
    return BlockUntilCancelled(context);
  };
  Cancellation cancellation;
  SubmitOptions options = Quick();
  options.call.cancellation = &cancellation;
  options.max_outstanding_frames = 1;
  SubmitStream stream(Dial(fake_.address()), Remember(), options);
  EXPECT_TRUE(stream.Send(Frame(0, 1)).ok());
  std::thread other([&] {
    received.WaitForNotification();
    cancellation.Cancel();
  });
  EXPECT_TRUE(absl::IsCancelled(stream.Send(Frame(1, 1))));
  other.join();
  EXPECT_TRUE(absl::IsCancelled(stream.Finish()));
}

TEST_F(SubmitStreamTest, TheTimeoutIsThatOfTheWholeStream) {
  fake_.submit = [](grpc::ServerContext& context, auto&) { return BlockUntilCancelled(context); };
  SubmitOptions options = Quick();
  options.call.timeout = absl::Milliseconds(100);
  SubmitStream stream(Dial(fake_.address()), Remember(), options);
  EXPECT_TRUE(stream.Send(Frame(0, 1)).ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(stream.Finish()));
}

TEST_F(SubmitStreamTest, AFrameOfTheWrongSizeIsRefusedAndChangesNothing) {
  fake_.submit = [](auto&, auto& stream) { return AcknowledgeAll(stream); };
  SubmitStream stream(Dial(fake_.address()), Remember(), Quick());
  EXPECT_TRUE(absl::IsInvalidArgument(stream.Send(Frame(0, 0))));
  EXPECT_TRUE(absl::IsInvalidArgument(stream.Send(Frame(0, 1001))));
  EXPECT_TRUE(stream.Send(Frame(0, 1000)).ok());
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_THAT(names_, SizeIs(1000));
}

}  // namespace
}  // namespace errand
