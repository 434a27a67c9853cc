#ifndef ERRAND_TESTS_CRASH_ACKNOWLEDGED_QUEUE_H_
#define ERRAND_TESTS_CRASH_ACKNOWLEDGED_QUEUE_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "errand/v1/queues.pb.h"
#include "errand/v1/task.pb.h"

namespace errand {

// What is known for sure about a queue that only one client changes: its settings, and when it was paused. As
// AcknowledgedTask, it compares each answer with those before.
class AcknowledgedQueue {
 public:
  explicit AcknowledgedQueue(std::string name) { known_.set_name(std::move(name)); }

  const std::string& name() const { return known_.name(); }
  // The queue as it was last seen.
  const v1::Queue& known() const { return known_; }
  bool paused() const { return known_.state() == v1::QUEUE_STATE_PAUSED; }

  // Before a call after which the queue is as `wanted`, but for the etag.
  void ChangeBegins(v1::Queue wanted);
  // An answer.
  void See(const v1::Queue& queue);

  // No attempt starts while the queue is paused.
  void CheckStarts(const v1::Task& task) const;

 private:
  v1::Queue known_;
  std::optional<v1::Queue> open_;  // How a call has left it that was not answered, if it was carried out.
  // From the first answer that says so until something may have changed it. The last may go on.
  std::vector<std::pair<absl::Time, absl::Time>> pauses_;
};

}  // namespace errand

#endif  // ERRAND_TESTS_CRASH_ACKNOWLEDGED_QUEUE_H_
