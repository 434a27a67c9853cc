#include "server/service/submit_stream.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/protobuf/arena.h"
#include "server/service/received.h"
#include "server/service/status.h"
#include "server/task/errors.h"

namespace errand::service {
namespace {

// The window that the API promises.
constexpr int64_t kMaxFrames = 64;
constexpr int64_t kMaxSubmissions = 8192;

constexpr int kMaxFrameSubmissions = 1000;

// Acknowledgements of more go into the next message: clients take 4 MiB by default, and a frame of refusals,
// of which each may have 3 KiB, may bring 3 MB more.
constexpr size_t kFullMessageBytes = 512 << 10;

grpc::ByteBuffer Serialize(const v1::SubmitTasksResponse& response) {
  grpc::ByteBuffer bytes;
  bool own;
  // Fails only where a message is larger than 2 GiB.
  (void)grpc::SerializationTraits<v1::SubmitTasksResponse>::Serialize(response, &bytes, &own);
  return bytes;
}

}  // namespace

// One message of the client: its submissions, and what becomes of them.
class SubmitStream::Frame final : public Submitter::Entry {
 public:
  explicit Frame(SubmitStream& stream)
      : stream_(stream), request_(google::protobuf::Arena::CreateMessage<v1::SubmitTasksRequest>(&arena_)) {}

  v1::SubmitTasksRequest& request() { return *request_; }

  // Once the request is there. It starts the checks of the sources, which change this until they are awaited.
  void Prepare(SourceChecks& checks) {
    const absl::Time now = absl::Now();
    submissions_.reserve(static_cast<size_t>(request_->requests_size()));  // The checks hold references.
    for (v1::CreateTaskRequest& request : *request_->mutable_requests()) {
      submissions_.push_back(Intake::Prepare(request, ValidateOnly::kRefused, now));
      checks.Add(submissions_.back());
    }
  }

  // Of its submissions.
  size_t size() const { return settled() ? results_.size() : submissions_.size(); }
  // Whether nothing is left for the store.
  bool refused() const {
    return absl::c_all_of(submissions_, [](const auto& submission) { return !submission.ok(); });
  }
  // Nothing is at the store, nor will be. Keeps the names and the errors alone: a client that reads no
  // acknowledgements does not have its payloads kept here.
  void Settle() {
    client_sequence_ = request_->client_sequence();
    results_.reserve(submissions_.size());
    for (auto& submission : submissions_) {
      if (submission.ok()) {
        results_.emplace_back(std::move(*submission->task->mutable_name()));
      } else {
        results_.emplace_back(std::move(submission).status());
      }
    }
    submissions_ = {};
    request_ = nullptr;
    arena_.Reset();
  }
  bool settled() const { return request_ == nullptr; }

  // Once it is settled.
  void Acknowledge(v1::SubmitTasksAck& ack) {
    ack.set_client_sequence(client_sequence_);
    ack.mutable_results()->Reserve(static_cast<int>(results_.size()));
    for (auto& result : results_) {
      if (result.ok()) {
        ack.add_results()->set_name(*std::move(result));
      } else {
        *ack.add_results()->mutable_error() = ToRpc(result.status());
      }
    }
  }

 private:
  void MoveTo(std::vector<store::Submission>& batch) override {
    for (auto& submission : submissions_) {
      if (submission.ok()) batch.push_back(*std::move(submission));
    }
  }

  void OnAnswer(Submitter::Results answers) override {
    auto answer = answers.begin();
    for (auto& submission : submissions_) {
      if (!submission.ok()) continue;  // It was refused before it came to the store.
      if (!answer->ok()) submission = std::move(*answer);
      ++answer;
    }
    Settle();
    --stream_.at_store_;
    stream_.wake_.Open();
  }

  SubmitStream& stream_;
  google::protobuf::Arena arena_{SubmissionArena()};
  v1::SubmitTasksRequest* request_;  // On the arena, until it is settled.
  std::vector<absl::StatusOr<store::Submission>> submissions_;
  // From then on.
  int64_t client_sequence_ = 0;
  std::vector<absl::StatusOr<std::string>> results_;  // The tasks' names.
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

  while (!gone_) {
    if (frames_.empty() || !frames_.front()->settled()) {
      const bool last = !reading_ || !stop_reason_.ok();
      if (last && frames_.empty()) break;
      co_await wake_;
      continue;
    }
    // All that is answered while this is under way goes out in the next message.
    Load load;
    const grpc::ByteBuffer bytes = AcknowledgeAnswered(load);
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
    auto frame = std::make_unique<Frame>(*this);
    frame_error_ = Parse(bytes, frame->request());
    if (!frame_error_.ok()) break;
    SourceChecks checks(loop, with_.check_source);
    frame->Prepare(checks);
    co_await checks;
    if (!stop_reason_.ok()) break;
    Enqueue(std::move(frame));
  }
  reading_ = false;
  wake_.Open();
}

absl::Status SubmitStream::Parse(grpc::ByteBuffer& bytes, v1::SubmitTasksRequest& request) {
  Received<v1::SubmitTasksRequest> received(request);
  (void)grpc::SerializationTraits<Received<v1::SubmitTasksRequest>>::Deserialize(&bytes, &received);
  if (!received.status.ok() && !task::NamesField(received.status)) {
    return task::Error(absl::StatusCode::kInvalidArgument, "INVALID_FRAME",
                       "a frame must be an errand.v1.SubmitTasksRequest");
  }
  if (!received.status.ok()) return received.status;
  task::Violations found;
  if (request.client_sequence() <= last_sequence_) {
    found.Add(task::InvalidField("client_sequence", absl::StrCat("must be more than ", last_sequence_,
                                                                 ", not ", request.client_sequence())));
  }
  if (request.requests_size() < 1 || request.requests_size() > kMaxFrameSubmissions) {
    found.Add(task::InvalidField(
        "requests", absl::StrCat("must be 1 to ", kMaxFrameSubmissions, ", not ", request.requests_size())));
  }
  if (!found.ok()) return found.status();
  last_sequence_ = request.client_sequence();
  return absl::OkStatus();
}

bool SubmitStream::HasRoom() const {
  return unacknowledged_.frames < kMaxFrames && unacknowledged_.submissions < kMaxSubmissions;
}

void SubmitStream::Enqueue(std::unique_ptr<Frame> frame) {
  ++unacknowledged_.frames;
  unacknowledged_.submissions += static_cast<int64_t>(frame->size());
  frames_.push_back(std::move(frame));
  if (frames_.back()->refused()) {
    frames_.back()->Settle();
    wake_.Open();
  } else {
    ++at_store_;
    with_.submitter.AddPatiently(frames_.back().get(), frames_.back()->size());
  }
}

grpc::ByteBuffer SubmitStream::AcknowledgeAnswered(Load& load) {
  google::protobuf::Arena arena(SubmissionArena());
  auto& response = *google::protobuf::Arena::CreateMessage<v1::SubmitTasksResponse>(&arena);
  size_t message_bytes = 0;
  while (!frames_.empty() && frames_.front()->settled() && message_bytes < kFullMessageBytes) {
    Frame& frame = *frames_.front();
    ++load.frames;
    load.submissions += static_cast<int64_t>(frame.size());
    v1::SubmitTasksAck& ack = *response.add_acks();
    frame.Acknowledge(ack);
    message_bytes += ack.ByteSizeLong();
    frames_.pop_front();
  }
  return Serialize(response);
}

void SubmitStream::Stop(const absl::Status& reason) {
  if (stop_reason_.ok()) stop_reason_ = reason;
  room_.Open();
  wake_.Open();
}

}  // namespace errand::service
