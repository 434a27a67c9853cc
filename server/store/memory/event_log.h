#ifndef ERRAND_SERVER_STORE_MEMORY_EVENT_LOG_H_
#define ERRAND_SERVER_STORE_MEMORY_EVENT_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "errand/v1/task.pb.h"
#include "server/store/task_store.h"

namespace errand::store {

// The latest events of all tasks of a queue, for those who watch the queue. Positions increase by one.
class EventLog {
 public:
  // The log's first event gets the position after `position`. Keeps at most `max_events`.
  EventLog(int64_t position, size_t max_events) : first_(position + 1), max_events_(max_events) {}

  // Of the last event, or where the log began.
  int64_t latest() const { return first_ + static_cast<int64_t>(entries_.size()) - 1; }
  // After this position, or a later one, nothing is missing.
  int64_t oldest() const { return first_ - 1; }

  int64_t Append(std::shared_ptr<const v1::TaskEvent> event) {
    entries_.push_back(std::move(event));
    if (entries_.size() > max_events_) {
      entries_.pop_front();
      ++first_;
    }
    return latest();
  }

  // Whether somebody has read the event at `position`.
  bool HasBeenRead(int64_t position) const { return position <= read_; }

  // Forgets an event that was replaced by a later one.
  void Drop(int64_t position) {
    if (position >= first_) entries_[static_cast<size_t>(position - first_)] = nullptr;
  }

  // What follows a position from oldest() to latest(): at most `max_events`.
  QueueEventBatch Read(int64_t position, int max_events) {
    QueueEventBatch batch;
    batch.position = position;
    while (batch.position < latest() && static_cast<int>(batch.events.size()) < max_events) {
      const auto& event = entries_[static_cast<size_t>(++batch.position - first_)];
      if (event != nullptr) batch.events.push_back(event);
    }
    read_ = std::max(read_, batch.position);
    return batch;
  }

 private:
  std::deque<std::shared_ptr<const v1::TaskEvent>> entries_;  // Null: dropped.
  int64_t first_;                                             // The position of the first of them.
  int64_t read_ = 0;
  const size_t max_events_;
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_EVENT_LOG_H_
