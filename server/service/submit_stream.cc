#include "server/service/submit_stream.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/service/status.h"
#include "server/task/errors.h"

namespace errand::service {
namespace {

// The window that the API promises.
constexpr int64_t kMaxFrames = 64;
constexpr int64_t kMaxSubmissions = 8192;

constexpr int kMaxFrameSubmissions = 1000;

// Acknowledgements of more go into the next message: clients take 4 MiB by default, and a refusal may be 1
// KiB.
constexpr int64_t kMaxMessageSubmissions = 2048;

grpc::ByteBuffer Serialize(const v1::SubmitTasksResponse& response) {
  grpc::ByteBuffer bytes;
  bool own;
  // Fails only where a message is larger than 2 GiB.
  (void)grpc::SerializationTraits<v1::SubmitTasksResponse>::Serialize(response, &bytes, &own);
  return bytes;
}

}  // namespace

// The submissions of one message of the client, and its acknowledgement in the making.
class SubmitStream::Frame final : public Submitter::Entry {
 public:
  Frame(SubmitStream& stream, const v1::SubmitTasksRequest& request) : stream_(stream) {
    ack_.set_client_sequence(request.client_sequence());
    ack_.mutable_results()->Reserve(request.requests_size());
    submissions_.reserve(static_cast<size_t>(request.requests_size()));
  }

  // In the order of the requests.
  void Add(absl::StatusOr<store::Submission> submission) {
    v1::SubmitResult& result = *ack_.add_results();
    if (submission.ok()) {
      submissions_.push_back(*std::move(submission));
    } else {
      *result.mutable_error() = ToRpc(submission.status());
    }
  }

  bool empty() const { return submissions_.empty(); }
  bool answered() const { return answered_; }
  void set_answered() { answered_ = true; }
  int64_t size() const { return ack_.results_size(); }
  v1::SubmitTasksAck& ack() { return ack_; }

 private:
  void MoveTo(std::vector<store::Submission>& batch) override {
    if (batch.empty()) {
      batch = std::move(submissions_);
    } else {
      for (store::Submission& submission : submissions_) batch.push_back(std::move(submission));
    }
  }

  void OnAnswer(Submitter::Results answers) override {
    auto answer = answers.begin();
    for (v1::SubmitResult& result : *ack_.mutable_results()) {
      if (result.has_error()) continue;  // It was refused before it came to the store.
      if (answer->ok()) {
        result.set_name(std::move(*(*answer)->mutable_name()));
      } else {
        *result.mutable_error() = ToRpc(answer->status());
      }
      ++answer;
    }
    answered_ = true;
    --stream_.at_store_;
    stream_.wake_.Open();
  }

  SubmitStream& stream_;
  std::vector<store::Submission> submissions_;
  v1::SubmitTasksAck ack_;
  bool answered_ = false;
};

SubmitStream::SubmitStream(const Surroundings& surroundings)
    : with_(surroundings),
      done_(context_),
      io_(&context_),
      room_(surroundings.loop),
      wake_(surroundings.loop) {}

SubmitStream::~SubmitStream() = default;

void SubmitStream::Serve(std::unique_ptr<SubmitStream> stream) {
  SubmitStream& self = *stream.release();  // Write owns it.
  self.Write(self.with_.loop);
}

rpc::Call SubmitStream::Write(rpc::Loop& loop) {
  const std::unique_ptr<SubmitStream> self(this);
  const OpenStreams::Membership membership(with_.open_streams,
                                           [this](const absl::Status& reason) { Stop(reason); });
  done_.OnDone([this] {
    gone_ = true;
    Stop(absl::CancelledError("the client has gone"));
  });
  Read(loop);

  v1::SubmitTasksResponse response;
  while (!gone_) {
    const Load load = TakeAnswered(response);
    if (load.frames == 0) {
      const bool last = !reading_ || !stop_reason_.ok();
      if (last && frames_.empty()) break;
      co_await wake_;
      continue;
    }
    // All that is answered while this is under way goes out in the next message.
    const grpc::ByteBuffer bytes = Serialize(response);
    response.Clear();
    const bool written = co_await rpc::Operation([&](void* tag) { io_.Write(bytes, tag); });
    if (!written) gone_ = true;
    unacknowledged_.frames -= load.frames;
    unacknowledged_.submissions -= load.submissions;
    room_.Open();
  }

  done_.OnDone(nullptr);
  absl::Status status = frame_error_;
  // Where the client closed its side and all is acknowledged, a drain changes nothing.
  if (status.ok() && (!client_closed_ || gone_)) status = stop_reason_;
  if (stop_reason_.ok()) Stop(absl::CancelledError("the call is over"));
  const grpc::Status grpc_status = ToGrpc(status);
  // Ends the read that may be under way, too.
  co_await rpc::Operation([&](void* tag) { io_.Finish(grpc_status, tag); });
  while (reading_ || at_store_ > 0) co_await wake_;
  co_await done_;
}

rpc::Call SubmitStream::Read(rpc::Loop& loop) {
  grpc::ByteBuffer bytes;
  std::vector<absl::StatusOr<store::Submission>> submissions;
  while (stop_reason_.ok()) {
    if (!HasRoom()) {
      co_await room_;
      continue;
    }
    const bool read = co_await rpc::Operation([&](void* tag) { io_.Read(&bytes, tag); });
    client_closed_ = !read;
    if (!read || !stop_reason_.ok()) break;
    if (absl::Status open = with_.intake.CheckOpen(); !open.ok()) {
      Stop(open);
      break;
    }
    frame_error_ = Parse(bytes);
    if (!frame_error_.ok()) break;

    const absl::Time now = absl::Now();
    SourceChecks checks(loop, with_.check_source);
    submissions.clear();
    submissions.reserve(static_cast<size_t>(request_.requests_size()));  // The checks hold references.
    for (v1::CreateTaskRequest& request : *request_.mutable_requests()) {
      submissions.push_back(Intake::Prepare(request, ValidateOnly::kRefused, now));
      checks.Add(submissions.back());
    }
    co_await checks;
    if (!stop_reason_.ok()) break;
    auto frame = std::make_unique<Frame>(*this, request_);
    for (auto& submission : submissions) frame->Add(std::move(submission));
    Enqueue(std::move(frame));
  }
  reading_ = false;
  wake_.Open();
}

absl::Status SubmitStream::Parse(grpc::ByteBuffer& bytes) {
  if (!grpc::SerializationTraits<v1::SubmitTasksRequest>::Deserialize(&bytes, &request_).ok()) {
    return task::Error(absl::StatusCode::kInvalidArgument, "INVALID_FRAME",
                       "a frame must be an errand.v1.SubmitTasksRequest whose text is UTF-8");
  }
  if (request_.client_sequence() <= last_sequence_) {
    return task::InvalidField("client_sequence", absl::StrCat("must be more than ", last_sequence_, ", not ",
                                                              request_.client_sequence()));
  }
  if (request_.requests_size() < 1 || request_.requests_size() > kMaxFrameSubmissions) {
    return task::InvalidField(
        "requests", absl::StrCat("must be 1 to ", kMaxFrameSubmissions, ", not ", request_.requests_size()));
  }
  last_sequence_ = request_.client_sequence();
  return absl::OkStatus();
}

bool SubmitStream::HasRoom() const {
  return unacknowledged_.frames < kMaxFrames && unacknowledged_.submissions < kMaxSubmissions;
}

void SubmitStream::Enqueue(std::unique_ptr<Frame> frame) {
  ++unacknowledged_.frames;
  unacknowledged_.submissions += frame->size();
  frames_.push_back(std::move(frame));
  if (frames_.back()->empty()) {
    frames_.back()->set_answered();
    wake_.Open();
  } else {
    ++at_store_;
    with_.submitter.AddPatiently(frames_.back().get(), static_cast<size_t>(frames_.back()->size()));
  }
}

SubmitStream::Load SubmitStream::TakeAnswered(v1::SubmitTasksResponse& response) {
  Load load;
  while (!frames_.empty() && frames_.front()->answered() && load.submissions < kMaxMessageSubmissions) {
    Frame& frame = *frames_.front();
    ++load.frames;
    load.submissions += frame.size();
    response.add_acks()->Swap(&frame.ack());
    frames_.pop_front();
  }
  return load;
}

void SubmitStream::Stop(const absl::Status& reason) {
  if (stop_reason_.ok()) stop_reason_ = reason;
  room_.Open();
  wake_.Open();
}

}  // namespace errand::service
