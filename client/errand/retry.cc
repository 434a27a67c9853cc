#include "errand/retry.h"

#include <algorithm>
#include <optional>

#include "absl/time/clock.h"
#include "errand/error.h"
#include "google/rpc/error_details.pb.h"

namespace errand {
namespace {

absl::Duration RetryDelay(const absl::Status& error) {
  const auto info = FindDetail<google::rpc::RetryInfo>(error);
  if (!info.has_value()) return absl::ZeroDuration();
  return absl::Seconds(info->retry_delay().seconds()) + absl::Nanoseconds(info->retry_delay().nanos());
}

// CANCELLED is kept for what the caller did.
absl::Status Unavailable(const absl::Status& error) {
  if (!absl::IsCancelled(error)) return error;
  absl::Status status = absl::UnavailableError("the server ended the call");
  error.ForEachPayload(
      [&](absl::string_view url, const absl::Cord& payload) { status.SetPayload(url, payload); });
  return status;
}

}  // namespace

Retry::Retry(const RetryOptions& options, absl::Time deadline, Cancellation* cancellation)
    : options_(options), deadline_(deadline), cancellation_(cancellation), backoff_(options.min_backoff) {}

void Retry::Succeeded() {
  backoff_ = options_.min_backoff;
  give_up_ = absl::InfiniteFuture();
}

absl::Status Retry::Check() const {
  if (cancellation_ != nullptr && cancellation_->cancelled()) {
    return absl::CancelledError("cancelled by the caller");
  }
  if (absl::Now() >= deadline_) return absl::DeadlineExceededError("no answer within the caller's timeout");
  return absl::OkStatus();
}

absl::Status Retry::Next(const absl::Status& error) {
  if (cancellation_ != nullptr && cancellation_->cancelled()) return Check();
  if (!absl::IsUnavailable(error) && !absl::IsCancelled(error)) return error;

  const absl::Time now = absl::Now();
  if (give_up_ == absl::InfiniteFuture()) give_up_ = now + options_.give_up_after;
  const absl::Duration wait = std::max(backoff_ * absl::Uniform(random_, 0.5, 1.0), RetryDelay(error));
  backoff_ = std::min(backoff_ * 2, options_.max_backoff);
  const absl::Time next = now + wait;
  if (next >= give_up_ || next >= deadline_) return Unavailable(error);

  repeated_ = true;
  if (options_.on_retry) options_.on_retry(Unavailable(error), wait);
  return Wait(wait);
}

absl::Status Retry::Wait(absl::Duration duration) const {
  const absl::Time end = std::min(absl::Now() + duration, deadline_);
  if (cancellation_ != nullptr) {
    cancellation_->WaitUntil(end);
  } else {
    absl::SleepFor(end - absl::Now());
  }
  return Check();
}

}  // namespace errand
