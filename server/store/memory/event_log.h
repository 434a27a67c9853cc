#ifndef ERRAND_SERVER_STORE_MEMORY_EVENT_LOG_H_
#define ERRAND_SERVER_STORE_MEMORY_EVENT_LOG_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "errand/v1/task.pb.h"
#include "server/store/memory/memory_budget.h"
#include "server/store/task_store.h"

namespace errand::store {

// The latest events of all tasks of a queue, for those who watch the queue. Positions increase by one.
class EventLog {
 public:
  // The log's first event gets the position after `position`. Keeps at most `max_events`, and as much as
  // `budget`, which is borrowed, has room for; but always the latest.
  EventLog(int64_t position, size_t max_events, MemoryBudget* budget)
      : first_(position + 1), max_events_(max_events), budget_(*budget) {}
  ~EventLog() { Count(-bytes_); }

  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // Of the last event, or where the log began.
  int64_t latest() const { return first_ + static_cast<int64_t>(entries_.size()) - 1; }
  // After this position, or a later one, nothing is missing.
  int64_t oldest() const { return first_ - 1; }

  int64_t Append(std::shared_ptr<const v1::TaskEvent> event) {
    Count(BytesOf(event.get()));
    entries_.push_back(std::move(event));
    while (entries_.size() > 1 &&
           (entries_.size() > max_events_ || !budget_.HasRoom(Kept::kQueueEvents, bytes_, 0))) {
      Count(-BytesOf(entries_.front().get()));
      entries_.pop_front();
      ++first_;
    }
    return latest();
  }

  // Whether somebody has read the event at `position`.
  bool HasBeenRead(int64_t position) const { return position <= read_; }

  // Forgets an event that was replaced by a later one.
  void Drop(int64_t position) {
    if (position < first_) return;
    std::shared_ptr<const v1::TaskEvent>& event = entries_[static_cast<size_t>(position - first_)];
    Count(BytesOf(nullptr) - BytesOf(event.get()));
    event = nullptr;
  }

  // What follows a position from oldest() to latest(), as the request wants it.
  QueueEventBatch Read(const WatchQueueRequest& request) {
    QueueEventBatch batch;
    batch.position = request.after_position;
    const int64_t last = std::min(latest(), request.through_position);
    int64_t bytes = 0;
    while (batch.position < last && static_cast<int>(batch.events.size()) < request.max_events) {
      const auto& event = entries_[static_cast<size_t>(batch.position + 1 - first_)];
      if (event != nullptr) {
        bytes += static_cast<int64_t>(event->ByteSizeLong());
        if (bytes > request.max_bytes && !batch.events.empty()) break;
        batch.events.push_back(event);
      }
      ++batch.position;
    }
    read_ = std::max(read_, batch.position);
    return batch;
  }

 private:
  // Of an entry.
  static int64_t BytesOf(const v1::TaskEvent* event) {
    return static_cast<int64_t>(sizeof(std::shared_ptr<const v1::TaskEvent>)) +
           (event == nullptr ? 0 : MemoryOf(*event));
  }
  void Count(int64_t bytes) {
    bytes_ += bytes;
    budget_.Add(Kept::kQueueEvents, bytes);
  }

  std::deque<std::shared_ptr<const v1::TaskEvent>> entries_;  // Null: dropped.
  int64_t first_;                                             // The position of the first of them.
  int64_t read_ = 0;
  int64_t bytes_ = 0;
  const size_t max_events_;
  MemoryBudget& budget_;
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_EVENT_LOG_H_
