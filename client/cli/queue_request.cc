#include "client/cli/queue_request.h"

#include <google/protobuf/util/time_util.h>

namespace errand::cli {
namespace {

google::protobuf::Duration ToProto(absl::Duration duration) {
  return google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(duration));
}

}  // namespace

v1::UpdateQueueRequest BuildQueueRequest(const QueueFlags& flags) {
  v1::UpdateQueueRequest request;
  v1::Queue& queue = *request.mutable_queue();
  const auto change = [&request](const char* path) { request.mutable_update_mask()->add_paths(path); };
  queue.set_name(flags.name);
  queue.set_etag(flags.etag);
  if (flags.rate) {
    change("rate_limit.tasks_per_second");
    queue.mutable_rate_limit()->set_tasks_per_second(*flags.rate);
  }
  if (flags.burst) {
    change("rate_limit.burst");
    queue.mutable_rate_limit()->set_burst(*flags.burst);
  }
  if (flags.max_running) {
    change("max_running");
    queue.set_max_running(*flags.max_running);
  }
  if (flags.weight) {
    change("weight");
    queue.set_weight(*flags.weight);
  }
  if (flags.max_attempts) {
    change("default_retry_policy.max_attempts");
    queue.mutable_default_retry_policy()->set_max_attempts(*flags.max_attempts);
  }
  // A duration of zero is out of bounds; one that the mask names and that is not set goes back to its
  // default.
  if (flags.min_backoff) {
    change("default_retry_policy.min_backoff");
    auto& policy = *queue.mutable_default_retry_policy();
    if (*flags.min_backoff > absl::ZeroDuration())
      *policy.mutable_min_backoff() = ToProto(*flags.min_backoff);
  }
  if (flags.max_backoff) {
    change("default_retry_policy.max_backoff");
    auto& policy = *queue.mutable_default_retry_policy();
    if (*flags.max_backoff > absl::ZeroDuration())
      *policy.mutable_max_backoff() = ToProto(*flags.max_backoff);
  }
  if (flags.retention_age) {
    change("retention.max_age");
    auto& retention = *queue.mutable_retention();
    if (*flags.retention_age > absl::ZeroDuration()) {
      *retention.mutable_max_age() = ToProto(*flags.retention_age);
    }
  }
  if (flags.retention_count) {
    change("retention.max_count");
    queue.mutable_retention()->set_max_count(*flags.retention_count);
  }
  if (flags.max_tasks) {
    change("capacity.max_tasks");
    queue.mutable_capacity()->set_max_tasks(*flags.max_tasks);
  }
  if (flags.max_bytes) {
    change("capacity.max_bytes");
    queue.mutable_capacity()->set_max_bytes(*flags.max_bytes);
  }
  return request;
}

}  // namespace errand::cli
