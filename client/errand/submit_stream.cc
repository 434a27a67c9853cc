#include "errand/submit_stream.h"

#include <grpcpp/channel.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "errand/cancellable_context.h"
#include "errand/error.h"
#include "errand/request_id.h"
#include "errand/retry.h"
#include "errand/v1/tasks.grpc.pb.h"

namespace errand {
namespace {

constexpr int kMaxFrame = 1000;

}  // namespace

struct SubmitStream::Stub {
  explicit Stub(const std::shared_ptr<grpc::Channel>& channel) : tasks(v1::Tasks::NewStub(channel)) {}

  const std::unique_ptr<v1::Tasks::StubInterface> tasks;
};

SubmitStream::SubmitStream(std::shared_ptr<grpc::Channel> channel, OnResult on_result, SubmitOptions options)
    : stub_(std::make_unique<Stub>(channel)),
      on_result_(std::move(on_result)),
      options_(std::move(options)),
      deadline_(absl::Now() + options_.call.timeout),
      writer_([this] { Write(); }) {}

SubmitStream::~SubmitStream() {
  (void)Finish();  // Who cares has called it.
  writer_.join();
}

absl::Status SubmitStream::Send(v1::SubmitTasksRequest frame) {
  if (frame.requests_size() < 1 || frame.requests_size() > kMaxFrame) {
    return absl::InvalidArgumentError(
        absl::StrCat("a frame has 1 to ", kMaxFrame, " requests, not ", frame.requests_size()));
  }
  for (v1::CreateTaskRequest& request : *frame.mutable_requests()) {
    if (request.request_id().empty()) request.set_request_id(NewRequestId());
  }
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(this, &SubmitStream::HasRoom));
  if (over_ && !end_.ok()) return end_;
  if (closed_) return absl::FailedPreconditionError("the submission is finished");
  frame.set_client_sequence(++last_sequence_);
  outstanding_tasks_ += frame.requests_size();
  outstanding_.push_back(std::make_shared<const v1::SubmitTasksRequest>(std::move(frame)));
  return absl::OkStatus();
}

absl::Status SubmitStream::Finish() {
  absl::MutexLock lock(&mu_);
  closed_ = true;
  mu_.Await(absl::Condition(&over_));
  return end_;
}

bool SubmitStream::HasRoom() const {
  return over_ || (static_cast<int64_t>(outstanding_.size()) < options_.max_outstanding_frames &&
                   outstanding_tasks_ < options_.max_outstanding_tasks);
}

bool SubmitStream::HasWork() const { return closed_ || !outstanding_.empty(); }

bool SubmitStream::HasNext() const { return stream_ended_ || closed_ || sent_ < outstanding_.size(); }

void SubmitStream::Write() {
  Retry retry(options_.retry, deadline_, options_.call.cancellation);
  absl::Status status;
  while (status.ok() && AwaitWork()) {
    status = retry.Check();
    if (!status.ok()) break;
    int64_t acknowledged;
    {
      absl::MutexLock lock(&mu_);
      acknowledged = acknowledged_tasks_;
    }
    status = RunStream();
    bool idle;
    {
      absl::MutexLock lock(&mu_);
      if (acknowledged_tasks_ != acknowledged) retry.Succeeded();
      idle = outstanding_.empty();
    }
    const bool lost = absl::IsUnavailable(status) || absl::IsCancelled(status);
    if (idle && (status.ok() || lost)) {
      status = absl::OkStatus();  // Nothing was lost; there will be another stream for the next frame.
    } else {
      if (status.ok())
        status = absl::UnavailableError("the stream ended before every frame was acknowledged");
      status = retry.Next(status);
    }
  }
  absl::MutexLock lock(&mu_);
  end_ = status;
  over_ = true;
}

// False when there is nothing left to do.
bool SubmitStream::AwaitWork() {
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(this, &SubmitStream::HasWork));
  return !outstanding_.empty();
}

absl::Status SubmitStream::RunStream() {
  {
    absl::MutexLock lock(&mu_);
    sent_ = 0;
    stream_ended_ = false;
  }
  CancellableContext context(options_.call.cancellation, deadline_);
  const auto stream = stub_->tasks->SubmitTasks(context.get());
  absl::Status wrong;  // Of the reader until it is joined.
  std::thread reader([&] {
    v1::SubmitTasksResponse response;
    while (wrong.ok() && stream->Read(&response)) {
      for (const v1::SubmitTasksAck& ack : response.acks()) {
        if (wrong.ok()) wrong = TakeAck(ack);
      }
    }
    if (!wrong.ok()) context.get()->TryCancel();
    StreamEnded();
  });
  while (const Frame frame = NextFrame()) {
    if (!stream->Write(*frame)) break;
  }
  stream->WritesDone();
  reader.join();
  absl::Status status = FromGrpc(stream->Finish());
  return wrong.ok() ? status : wrong;
}

// Null when the stream has ended or needs no more frames.
SubmitStream::Frame SubmitStream::NextFrame() {
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(this, &SubmitStream::HasNext));
  if (stream_ended_ || sent_ == outstanding_.size()) return nullptr;
  return outstanding_[sent_++];
}

void SubmitStream::StreamEnded() {
  absl::MutexLock lock(&mu_);
  stream_ended_ = true;
}

absl::Status SubmitStream::TakeAck(const v1::SubmitTasksAck& ack) {
  Frame frame;
  int64_t index;
  {
    absl::MutexLock lock(&mu_);
    if (sent_ > 0) frame = outstanding_.front();
    index = acknowledged_tasks_;
  }
  if (frame == nullptr || ack.client_sequence() != frame->client_sequence() ||
      ack.results_size() != frame->requests_size()) {
    return absl::InternalError(absl::StrCat("the server acknowledges frame ", ack.client_sequence(), " with ",
                                            ack.results_size(),
                                            " results, which does not match what was sent"));
  }
  for (int i = 0; i < ack.results_size(); ++i) on_result_(index + i, frame->requests(i), ack.results(i));
  // Only now: Finish and Send wait for the results to have been taken, not just to have come.
  absl::MutexLock lock(&mu_);
  outstanding_.pop_front();
  --sent_;
  outstanding_tasks_ -= ack.results_size();
  acknowledged_tasks_ += ack.results_size();
  return absl::OkStatus();
}

}  // namespace errand
