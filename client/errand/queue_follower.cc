#include "errand/queue_follower.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "errand/cancellable_context.h"
#include "errand/error.h"
#include "errand/kept_range.h"

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
  if (kept->oldest > after + 1) {
    on_gap_({after, kept->oldest - after - 1});
    request_.set_after_position(kept->oldest - 1);
    return true;
  }
  if (after <= kept->latest) return false;
  // Positions count from the server's start, and it has started anew. All that it keeps is news, but for the
  // event of position 1 when that is the oldest: 0 would ask for what happens from now on.
  on_gap_({after, 0});
  request_.set_after_position(std::min(std::max<int64_t>(kept->oldest - 1, 1), kept->latest));
  return true;
}

}  // namespace errand
