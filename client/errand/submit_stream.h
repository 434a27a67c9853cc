#ifndef ERRAND_SUBMIT_STREAM_H_
#define ERRAND_SUBMIT_STREAM_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "errand/options.h"
#include "errand/v1/tasks.pb.h"

namespace grpc {
class Channel;
}

namespace errand {

// What a SubmitStream may be told.
struct SubmitOptions {
  RetryOptions retry;  // `on_retry` is called on a thread of the stream.
  CallOptions call;    // `timeout` is that of the stream as a whole; `on_gap` means nothing here.

  // Send() waits while this many frames, or tasks in them, are not acknowledged. The server reads no further
  // than 64 and 8,192.
  int max_outstanding_frames = 32;
  int max_outstanding_tasks = 4096;
};

// Submits many tasks over one stream: frames go out without waiting for the acknowledgement of those before.
//
//   errand::SubmitStream stream(channel, [](int64_t index, const auto& request, const auto& result) { ... });
//   for (errand::v1::SubmitTasksRequest& frame : frames) {
//     if (!stream.Send(std::move(frame)).ok()) break;
//   }
//   absl::Status status = stream.Finish();
//
// A stream that is lost (UNAVAILABLE, or CANCELLED without the caller's doing) is opened anew as RetryOptions
// say, and every frame that was not acknowledged is sent again. That creates no task twice: a request without
// a `request_id` is given one, and keeps it.
//
// Two threads of its own do the work:
//
//   Send --> outstanding_: [ sent on this stream | not yet sent ] --writer_--> server
//                 ^ popped by an acknowledgement                  <--reader--- one a stream, joined by
//                 writer_
//
// Threads: Send and Finish are called by one thread. They, and the destructor, block.
class SubmitStream final {
 public:
  // What became of a request: `index` counts all requests that were sent, from 0, and comes in order. Called
  // on a thread of this object, never twice at a time; it must not call this object. Both references last
  // as long as the call.
  using OnResult = std::function<void(int64_t index, const v1::CreateTaskRequest& request,
                                      const v1::SubmitResult& result)>;

  // Connects when there is something to send.
  SubmitStream(std::shared_ptr<grpc::Channel> channel, OnResult on_result, SubmitOptions options = {});

  // As Finish: to abandon what is outstanding, Cancel first.
  ~SubmitStream();

  SubmitStream(const SubmitStream&) = delete;
  SubmitStream& operator=(const SubmitStream&) = delete;

  // Hands a frame of 1 to 1000 requests over; its `client_sequence` is chosen here. INVALID_ARGUMENT for
  // another number, which changes nothing; otherwise the error that ended the submission: UNAVAILABLE when
  // the server stayed away, DEADLINE_EXCEEDED, CANCELLED when the caller did it, or what the server ended
  // the stream with.
  absl::Status Send(v1::SubmitTasksRequest frame);

  // Waits until every frame is acknowledged and `on_result` has returned for it. An error as from Send: then
  // requests without a result may or may not have been submitted. Called again, it returns the same.
  absl::Status Finish();

 private:
  using Frame = std::shared_ptr<const v1::SubmitTasksRequest>;

  void Write();
  absl::Status RunStream();
  bool AwaitWork();
  Frame NextFrame();
  absl::Status TakeAck(const v1::SubmitTasksAck& ack);
  void StreamEnded();

  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasNext() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  struct Stub;
  const std::unique_ptr<const Stub> stub_;
  const OnResult on_result_;
  const SubmitOptions options_;
  const absl::Time deadline_;

  mutable absl::Mutex mu_;
  std::deque<Frame> outstanding_ ABSL_GUARDED_BY(mu_);
  size_t sent_ ABSL_GUARDED_BY(mu_) = 0;  // The first of them, on the stream that is open.
  int64_t outstanding_tasks_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t acknowledged_tasks_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t last_sequence_ ABSL_GUARDED_BY(mu_) = 0;
  bool stream_ended_ ABSL_GUARDED_BY(mu_) = false;  // Nothing more can be read from the one that is open.
  bool closed_ ABSL_GUARDED_BY(mu_) = false;        // No more frames will come.
  bool over_ ABSL_GUARDED_BY(mu_) = false;          // With end_.
  absl::Status end_ ABSL_GUARDED_BY(mu_);

  std::thread writer_;  // Last: it uses all of the above.
};

}  // namespace errand

#endif  // ERRAND_SUBMIT_STREAM_H_
