#ifndef ERRAND_CLIENT_H_
#define ERRAND_CLIENT_H_

#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "errand/options.h"
#include "errand/v1/task.pb.h"
#include "errand/v1/tasks.pb.h"

namespace grpc {
class Channel;
}

namespace errand {

// Hands tasks to an Errand server and follows what becomes of them.
//
//   errand::Client client(errand::Dial("localhost:50051"));
//   errand::v1::CreateTaskRequest request;
//   request.mutable_task()->mutable_lua()->set_source("return 6 * 7");
//   absl::StatusOr<errand::v1::StateChange> end = client.Run(request, [](const errand::v1::TaskEvent&) {});
//
// Threads: every method blocks its caller, and any number of threads may call any methods at the same time.
//
// Errors: those that errand/v1/tasks.proto lists for the method, with their google.rpc details as payloads
// (FindDetail in errand/error.h); UNAVAILABLE when the server could not be reached; DEADLINE_EXCEEDED when
// CallOptions.timeout was over; CANCELLED only when CallOptions.cancellation was. A task that failed is not
// an error: look at its state.
//
// A call that ends with UNAVAILABLE, or with CANCELLED without the caller's doing, is repeated (RetryOptions)
// within the caller's timeout. That creates no task twice: a request without a `request_id` is given one, and
// all attempts carry the same.
class Client {
 public:
  // Called once for every event, in order of their sequence, on the thread that made the call. It may call
  // any method of the client, and Cancellation::Cancel. It must not throw.
  using OnEvent = absl::FunctionRef<void(const v1::TaskEvent& event)>;

  // Called for every frame of a WatchQueue stream, on the thread that made the call: the events, of which
  // there may be none, and the position after them, where another WatchQueue would go on. It may do what
  // OnEvent may.
  using OnQueueEvents = absl::FunctionRef<void(
      const google::protobuf::RepeatedPtrField<v1::TaskEvent>& events, int64_t position)>;

  // Called for every task of a list, on the thread that made the call; false ends the list.
  using OnTask = absl::FunctionRef<bool(const v1::Task& task)>;

  // Dial() in errand/channel.h makes a channel.
  explicit Client(std::shared_ptr<grpc::Channel> channel, RetryOptions retry = {});

  // No call may be running.
  ~Client();

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Creates a task and returns it, in BASIC view, as soon as it is queued as safely as asked.
  absl::StatusOr<v1::Task> Create(v1::CreateTaskRequest request, const CallOptions& options = {}) const;

  // Creates all tasks of `request`, or none; returns them in BASIC view, in the order of the requests.
  // SubmitStream (errand/submit_stream.h) is for more than a thousand.
  absl::StatusOr<v1::BatchCreateTasksResponse> BatchCreate(v1::BatchCreateTasksRequest request,
                                                           const CallOptions& options = {}) const;

  // Creates a task and reports its events until it has ended; returns the last one's state change, which
  // holds the result, however large, or the error. A lost stream is resumed after the last event seen, so
  // that `on_event` sees every event exactly once. When Run returns an error the task may still have been
  // created, and goes on: the events seen name it, and Create with the same `request_id` returns it.
  absl::StatusOr<v1::StateChange> Run(v1::CreateTaskRequest request, OnEvent on_event,
                                      const CallOptions& options = {}) const;

  // The task `name` ("queues/{queue}/tasks/{task}") as it is now, however large it is.
  absl::StatusOr<v1::Task> Get(absl::string_view name, const CallOptions& options = {}) const;

  // What the task has produced; empty where it has produced nothing. Read in pieces: that takes a channel
  // with gRPC's defaults, whatever the result's size.
  absl::StatusOr<v1::TaskResult> ReadResult(absl::string_view name, const CallOptions& options = {}) const;

  // One page of the tasks of `request.parent`, for those who keep the token.
  absl::StatusOr<v1::ListTasksResponse> ListPage(const v1::ListTasksRequest& request,
                                                 const CallOptions& options = {}) const;

  // Reports the tasks of `request.parent` that match `request.filter`, page after page of
  // `request.page_size`, until there are no more or `on_task` returns false. Those reported before an error
  // stay reported. Tasks that are too large for a page are looked up one by one.
  absl::Status List(v1::ListTasksRequest request, OnTask on_task, const CallOptions& options = {}) const;

  // Waits until a task has ended and returns it. DEADLINE_EXCEEDED when the timeout was over first: the task
  // goes on.
  absl::StatusOr<v1::Task> Wait(absl::string_view name, const CallOptions& options = {}) const;

  // Reports the events of a task after `after_sequence` (0: from the first one kept) until it has ended;
  // otherwise as Run. Where the server no longer keeps the next event, options.on_gap decides.
  absl::StatusOr<v1::StateChange> Watch(absl::string_view name, int64_t after_sequence, OnEvent on_event,
                                        const CallOptions& options = {}) const;

  // Reports the events of all tasks of `queue` ("queues/{queue}") after `after_position` (0: what happens
  // from now on). Results that are too large for a stream are left out, which the event says. Never returns
  // OK: it goes on, over as many streams as that takes, until the caller's timeout, Cancellation::Cancel or
  // an error.
  absl::Status WatchQueue(absl::string_view queue, int64_t after_position, OnQueueEvents on_events,
                          const CallOptions& options = {}) const;

  // Cancels a task. One that runs is still RUNNING in the answer, which is in BASIC view: Wait for its end.
  absl::StatusOr<v1::Task> Cancel(absl::string_view name, const CallOptions& options = {}) const;

  // The same with all tasks below it, see CancelTaskRequest.descendants: the whole answer.
  absl::StatusOr<v1::CancelTaskResponse> CancelTree(absl::string_view name,
                                                    const CallOptions& options = {}) const;

  // Puts a task that ended without success back into its queue; returns it in BASIC view. When the answer
  // to an attempt is lost and the task has not ended by the next, that counts as done.
  absl::StatusOr<v1::Task> Retry(absl::string_view name, const CallOptions& options = {}) const;

  // Forgets a task that has ended. One that is gone after an attempt whose answer was lost counts as deleted.
  absl::Status Delete(absl::string_view name, const CallOptions& options = {}) const;

  // Whether `service` ("" for the server as a whole, "errand.v1.Tasks") takes calls now. False also while
  // the server shuts down; NOT_FOUND when it does not know the service. Never repeated: a probe asks for the
  // state of this moment.
  absl::StatusOr<bool> IsServing(absl::string_view service = "", const CallOptions& options = {}) const;

 private:
  struct Stubs;

  const std::unique_ptr<const Stubs> stubs_;
  const RetryOptions retry_;
};

}  // namespace errand

#endif  // ERRAND_CLIENT_H_
