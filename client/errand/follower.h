#ifndef ERRAND_FOLLOWER_H_
#define ERRAND_FOLLOWER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "errand/client.h"
#include "errand/retry.h"
#include "errand/v1/tasks.grpc.pb.h"

namespace errand {

// Reads one task's events to the end, over as many streams as that takes. Used by one thread, once.
//
//   RunTask ---- first event: the task's name is known ----> WatchTask after the last sequence seen
//    ^   | lost                                               ^     | lost
//    `---' same request_id: the same task                     `-----' or OUT_OF_RANGE: before the oldest kept
class Follower {
 public:
  // All are borrowed.
  Follower(v1::Tasks::StubInterface& stub, Retry& retry, Client::OnEvent on_event,
           const std::function<void(const Gap&)>& on_gap)
      : stub_(stub), retry_(retry), on_event_(on_event), on_gap_(on_gap) {}

  // `request.create` has a request_id.
  absl::StatusOr<v1::StateChange> Run(const v1::RunTaskRequest& request);

  // From the event after `request.after_sequence`.
  absl::StatusOr<v1::StateChange> Watch(const v1::WatchTaskRequest& request);

 private:
  absl::StatusOr<v1::StateChange> Follow(const v1::RunTaskRequest* run);
  absl::Status ReadRun(const v1::RunTaskRequest& request);
  absl::Status ReadWatch();
  template <class Response>
  absl::Status Read(grpc::ClientReaderInterface<Response>& reader);
  absl::Status Take(v1::TaskEvent& event);
  absl::Status LookUpEnd();
  bool PassGap(const absl::Status& error);

  v1::Tasks::StubInterface& stub_;
  Retry& retry_;
  const Client::OnEvent on_event_;
  const std::function<void(const Gap&)>& on_gap_;

  std::string task_;  // Empty until it is known.
  int64_t last_sequence_ = 0;
  std::optional<v1::StateChange> end_;
};

}  // namespace errand

#endif  // ERRAND_FOLLOWER_H_
