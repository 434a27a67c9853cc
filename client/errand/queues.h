#ifndef ERRAND_QUEUES_H_
#define ERRAND_QUEUES_H_

#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "errand/options.h"
#include "errand/v1/queues.pb.h"

namespace grpc {
class Channel;
}

namespace errand {

// Settings and state of queues.
//
//   errand::Queues queues(channel);
//   errand::v1::UpdateQueueRequest request;
//   request.mutable_queue()->set_name("queues/mail");
//   request.mutable_queue()->mutable_rate_limit()->set_tasks_per_second(10);
//   request.mutable_update_mask()->add_paths("rate_limit.tasks_per_second");
//   absl::StatusOr<errand::v1::Queue> queue = queues.Update(request);
//
// Threads, errors and repeated calls are as with Client (errand/client.h); errand/v1/queues.proto lists the
// errors. Every method may be repeated without harm. Names are "queues/{queue}".
class Queues {
 public:
  // Called for every queue, on the thread that made the call; false ends the list.
  using OnQueue = absl::FunctionRef<bool(const v1::Queue& queue)>;

  explicit Queues(std::shared_ptr<grpc::Channel> channel, RetryOptions retry = {});

  // No call may be running.
  ~Queues();

  Queues(const Queues&) = delete;
  Queues& operator=(const Queues&) = delete;

  absl::StatusOr<v1::Queue> Get(absl::string_view name, const CallOptions& options = {}) const;

  // One page, for those who keep the token.
  absl::StatusOr<v1::ListQueuesResponse> ListPage(const v1::ListQueuesRequest& request,
                                                  const CallOptions& options = {}) const;

  // Reports the queues by name, page after page, until there are no more or `on_queue` returns false.
  absl::Status List(OnQueue on_queue, const CallOptions& options = {}) const;

  // Changes the settings that `request.update_mask` names. ABORTED when `request.queue.etag` does not match;
  // that is also what a caller gets whose first attempt took effect and whose answer was lost.
  absl::StatusOr<v1::Queue> Update(const v1::UpdateQueueRequest& request,
                                   const CallOptions& options = {}) const;

  absl::StatusOr<v1::Queue> Pause(absl::string_view name, const CallOptions& options = {}) const;
  absl::StatusOr<v1::Queue> Resume(absl::string_view name, const CallOptions& options = {}) const;

  // Forgets the tasks that wait and returns how many those were; fewer when an attempt's answer was lost.
  absl::StatusOr<int64_t> Purge(absl::string_view name, const CallOptions& options = {}) const;

  // Forgets a queue, see Queues.DeleteQueue, and returns how many tasks went with it: fewer when an attempt's
  // answer was lost, and none when that attempt had deleted it.
  absl::StatusOr<int64_t> Delete(const v1::DeleteQueueRequest& request,
                                 const CallOptions& options = {}) const;

  absl::StatusOr<v1::QueueStats> Stats(absl::string_view name, const CallOptions& options = {}) const;

 private:
  struct Stub;

  const std::unique_ptr<const Stub> stub_;
  const RetryOptions retry_;
};

}  // namespace errand

#endif  // ERRAND_QUEUES_H_
