#ifndef ERRAND_QUEUE_FOLLOWER_H_
#define ERRAND_QUEUE_FOLLOWER_H_

#include <functional>

#include "absl/status/status.h"
#include "errand/client.h"
#include "errand/retry.h"
#include "errand/v1/tasks.grpc.pb.h"

namespace errand {

// Reads the events of a queue, over as many streams as that takes: each goes on after the position of the
// last frame. Used by one thread, once.
class QueueFollower {
 public:
  // All are borrowed.
  QueueFollower(v1::Tasks::StubInterface& stub, Retry& retry, Client::OnQueueEvents on_events,
                const std::function<void(const Gap&)>& on_gap)
      : stub_(stub), retry_(retry), on_events_(on_events), on_gap_(on_gap) {}

  // From what comes after `request.after_position`; returns why it could not go on.
  absl::Status Watch(v1::WatchQueueRequest request);

 private:
  absl::Status Read();
  bool PassGap(const absl::Status& error);

  v1::Tasks::StubInterface& stub_;
  Retry& retry_;
  const Client::OnQueueEvents on_events_;
  const std::function<void(const Gap&)>& on_gap_;

  v1::WatchQueueRequest request_;  // `after_position` is that of the last frame.
};

}  // namespace errand

#endif  // ERRAND_QUEUE_FOLLOWER_H_
