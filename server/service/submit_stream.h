#ifndef ERRAND_SERVER_SERVICE_SUBMIT_STREAM_H_
#define ERRAND_SERVER_SERVICE_SUBMIT_STREAM_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <deque>
#include <memory>

#include "absl/status/status.h"
#include "errand/v1/tasks.pb.h"
#include "server/rpc/call.h"
#include "server/rpc/done_tag.h"
#include "server/rpc/loop.h"
#include "server/service/gate.h"
#include "server/service/intake.h"
#include "server/service/open_streams.h"
#include "server/service/source_checks.h"
#include "server/service/submitter.h"

namespace errand::service {

// One call of SubmitTasks.
//
// Two coroutines share it, on the loop's thread: the reader takes frames and hands their submissions over,
// the writer acknowledges those that were answered, in the order of their arrival. The writer owns the
// stream: it waits until the reader has ended and nothing is at the store any more, finishes the call, and
// frees both.
//
//   client -> Read -> frames_ -> Submitter -> store
//   client <- Write <- the answered ones at the front of frames_
//
// What ends it: the client closes its side (OK, when all is acknowledged); a frame is wrong
// (INVALID_ARGUMENT, when those before it are acknowledged); the server drains (UNAVAILABLE, when what it has
// taken is acknowledged); the client has gone.
class SubmitStream {
 public:
  using Io = grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;

  // What the stream works with; borrowed, and outlives the loop's calls.
  struct Surroundings {
    rpc::Loop& loop;
    const Intake& intake;
    const SourceCheck& check_source;
    Submitter& submitter;
    OpenStreams& open_streams;
  };

  explicit SubmitStream(const Surroundings& surroundings);
  ~SubmitStream();
  SubmitStream(const SubmitStream&) = delete;
  SubmitStream& operator=(const SubmitStream&) = delete;

  // For the request of the call. Frames are bytes, because gRPC's own reader does not tell one that is no
  // message from the end of the client's side.
  grpc::ServerContext* context() { return &context_; }
  Io* io() { return &io_; }

  // Once the call was accepted. The stream then lives as long as it has to.
  static void Serve(std::unique_ptr<SubmitStream> stream);

 private:
  class Frame;

  // How much waits for its acknowledgement.
  struct Load {
    int64_t frames = 0;
    int64_t submissions = 0;
  };

  rpc::Call Read(rpc::Loop& loop);
  rpc::Call Write(rpc::Loop& loop);

  // Why a frame cannot be taken.
  absl::Status Parse(grpc::ByteBuffer& bytes, v1::SubmitTasksRequest& request);
  bool HasRoom() const;
  void Enqueue(std::unique_ptr<Frame> frame);
  // The message that acknowledges what can be now; `load` is what that comes to.
  grpc::ByteBuffer AcknowledgeAnswered(Load& load);
  void Stop(const absl::Status& reason);

  const Surroundings with_;
  grpc::ServerContext context_;
  rpc::DoneTag done_;
  Io io_;

  // Owned by the loop's thread.
  Gate room_;  // Where the reader waits for acknowledgements to be written.
  Gate wake_;  // Where the writer waits for something to do.
  int64_t last_sequence_ = 0;
  std::deque<std::unique_ptr<Frame>> frames_;  // Not yet on their way to the client.
  Load unacknowledged_;
  int at_store_ = 0;  // Frames.
  bool reading_ = true;
  bool client_closed_ = false;  // Its side; all it sent was read.
  bool gone_ = false;           // The client.
  absl::Status frame_error_;    // What the client did wrong.
  absl::Status stop_reason_;    // Why nothing more is read.
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_SUBMIT_STREAM_H_
