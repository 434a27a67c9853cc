#include "server/service/source_checks.h"

#include <utility>

namespace errand::service {

void SourceChecks::Add(absl::StatusOr<store::Submission>& submission) {
  // A registered script has been compiled.
  if (check_ == nullptr || !submission.ok() || !submission->task->lua().has_source()) return;
  pending_.fetch_add(1, std::memory_order_relaxed);
  check_("task.lua.source", submission->task->lua().source(), [this, &submission](absl::Status status) {
    if (!status.ok()) submission = std::move(status);
    // What is posted runs on the loop's thread, thus not before the coroutine is suspended.
    if (Count()) loop_.Post(this);
  });
}

}  // namespace errand::service
