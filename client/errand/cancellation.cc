#include "errand/cancellation.h"

#include <algorithm>

#include "errand/cancellable_context.h"

namespace errand {

void Cancellation::Cancel() {
  absl::MutexLock lock(&mu_);
  cancelled_ = true;
  // Under the lock, so that no context is destroyed while it is being cancelled.
  for (grpc::ClientContext* call : calls_) call->TryCancel();
}

bool Cancellation::cancelled() const {
  absl::MutexLock lock(&mu_);
  return cancelled_;
}

bool Cancellation::WaitUntil(absl::Time deadline) const {
  absl::MutexLock lock(&mu_);
  return mu_.AwaitWithDeadline(absl::Condition(&cancelled_), deadline);
}

CancellableContext::CancellableContext(Cancellation* cancellation, absl::Time deadline)
    : cancellation_(cancellation) {
  if (deadline != absl::InfiniteFuture()) context_.set_deadline(absl::ToChronoTime(deadline));
  if (cancellation_ == nullptr) return;
  absl::MutexLock lock(&cancellation_->mu_);
  cancellation_->calls_.push_back(&context_);
  // Remembered by the context: its call then ends as soon as it starts.
  if (cancellation_->cancelled_) context_.TryCancel();
}

CancellableContext::~CancellableContext() {
  if (cancellation_ == nullptr) return;
  absl::MutexLock lock(&cancellation_->mu_);
  auto& calls = cancellation_->calls_;
  calls.erase(std::remove(calls.begin(), calls.end(), &context_), calls.end());
}

}  // namespace errand
