#include "tests/crash/acknowledged_queue.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/crash/timestamp.h"

namespace errand {

using google::protobuf::util::MessageDifferencer;

void AcknowledgedQueue::ChangeBegins(v1::Queue wanted) {
  if (paused()) pauses_.back().second = absl::Now();
  open_ = std::move(wanted);
}

void AcknowledgedQueue::See(const v1::Queue& queue) {
  v1::Queue wanted = open_.value_or(known_);
  wanted.set_etag(queue.etag());
  const bool carried_out = open_.has_value() && MessageDifferencer::Equals(queue, wanted);
  if (!carried_out && !known_.etag().empty() && !MessageDifferencer::Equals(queue, known_)) {
    ADD_FAILURE() << "queue\n  expected: " << known_.ShortDebugString()
                  << (open_.has_value() ? absl::StrCat(", or changed to: ", open_->ShortDebugString()) : "")
                  << "\n  there is: " << queue.ShortDebugString();
  }
  const bool was_paused = paused() && !open_.has_value();
  open_.reset();
  known_ = queue;
  if (paused() && !was_paused) pauses_.emplace_back(absl::Now(), absl::InfiniteFuture());
}

void AcknowledgedQueue::CheckStarts(const v1::Task& task) const {
  for (const v1::Attempt& attempt : task.attempts()) {
    const absl::Time start = TimeOf(attempt.start_time());
    for (const auto& [from, to] : pauses_) {
      if (start <= from || start >= to) continue;
      ADD_FAILURE() << "task " << task.ShortDebugString() << "\n  expected: no attempt starts between "
                    << from << " and " << to << ", when its queue is paused\n  there is: attempt "
                    << attempt.number() << ", of " << start;
    }
  }
}

}  // namespace errand
