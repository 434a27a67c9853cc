#include "tests/bench/task_submitter.h"

#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "tests/bench/failure.h"

namespace errand::bench {

v1::CreateTaskRequest SmallScript(size_t payload_bytes) {
  v1::CreateTaskRequest request;
  request.mutable_task()->mutable_lua()->set_source("return 1");
  request.mutable_task()->mutable_lua()->set_text(std::string(payload_bytes, 'x'));
  return request;
}

TaskSubmitter::TaskSubmitter(const std::shared_ptr<grpc::Channel>& channel, v1::CreateTaskRequest request)
    : stub_(v1::Tasks::NewStub(channel)),
      request_(std::move(request)),
      stream_(stub_->SubmitTasks(&context_)),
      reader_([this] { Read(); }) {}

TaskSubmitter::~TaskSubmitter() {
  Finish();
  reader_.join();
}

void TaskSubmitter::Send(int tasks) {
  frame_.set_client_sequence(frame_.client_sequence() + 1);
  while (frame_.requests_size() > tasks) frame_.mutable_requests()->RemoveLast();
  while (frame_.requests_size() < tasks) *frame_.add_requests() = request_;
  {
    absl::MutexLock lock(&mu_);
    sent_.push_back(absl::Now());
  }
  if (!stream_->Write(frame_)) Fail("a SubmitTasks stream has ended");
}

void TaskSubmitter::Finish() {
  absl::MutexLock lock(&mu_);
  if (!finishing_) stream_->WritesDone();
  finishing_ = true;
  mu_.Await(absl::Condition(
      +[](std::deque<absl::Time>* sent) { return sent->empty(); }, &sent_));
}

void TaskSubmitter::Measure() {
  absl::MutexLock lock(&mu_);
  latencies_.clear();
}

std::vector<float> TaskSubmitter::TakeLatencies() {
  absl::MutexLock lock(&mu_);
  return std::move(latencies_);
}

void TaskSubmitter::Read() {
  v1::SubmitTasksResponse response;
  while (stream_->Read(&response)) {
    const absl::Time now = absl::Now();
    for (const v1::SubmitTasksAck& ack : response.acks()) {
      for (const v1::SubmitResult& result : ack.results()) {
        if (!result.has_name()) Fail("a submission was refused: " + result.error().message());
      }
    }
    absl::MutexLock lock(&mu_);
    for (int i = 0; i < response.acks_size(); ++i) {
      latencies_.push_back(static_cast<float>(absl::ToDoubleMicroseconds(now - sent_.front())));
      sent_.pop_front();
    }
  }
  const grpc::Status status = stream_->Finish();
  absl::MutexLock lock(&mu_);
  if (!status.ok() || !finishing_ || !sent_.empty()) {
    Fail("SubmitTasks: " + status.error_message());
  }
}

}  // namespace errand::bench
