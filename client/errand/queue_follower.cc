#include "errand/queue_follower.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "errand/cancellable_context.h"
#include "errand/error.h"
#include "errand/kept_range.h"
#include "google/rpc/error_details.pb.h"

namespace errand {

absl::Status QueueFollower::Watch(v1::WatchQueueRequest request) {
  request_ = std::move(request);
  absl::Status status = retry_.Check();
  while (status.ok()) {
    status = Read();
    if (status.ok()) status = absl::UnavailableError("the stream ended");
    status = PassGap(status) ? retry_.Check() : retry_.Next(status);
  }
  return status;
}

absl::Status QueueFollower::Read() {
  CancellableContext context(retry_.cancellation(), retry_.deadline());
  const auto reader = stub_.WatchQueue(context.get(), request_);
  v1::WatchQueueResponse response;
  while (reader->Read(&response)) {
    request_.set_after_position(response.position());
    retry_.Succeeded();
    on_events_(response.events(), response.position());
  }
  return FromGrpc(reader->Finish());
}

bool QueueFollower::PassGap(const absl::Status& error) {
  const std::optional<KeptRange> kept = FindKeptRange(error, "position");
  if (!kept || !on_gap_) return false;
  const int64_t after = request_.after_position();
  const auto info = FindDetail<google::rpc::ErrorInfo>(error);
  // Positions are those of one life of the server: of an earlier one nobody knows how much is lost.
  const bool other_life = after > kept->latest || (info.has_value() && info->reason() == "POSITION_UNKNOWN");
  if (!other_life && kept->oldest <= after + 1) return false;
  // All that is kept is news. 0 would ask for what happens from now on.
  const int64_t resume = std::min(std::max<int64_t>(kept->oldest - 1, 1), kept->latest);
  if (resume == after) return false;
  on_gap_({after, other_life ? 0 : resume - after});
  request_.set_after_position(resume);
  return true;
}

}  // namespace errand
