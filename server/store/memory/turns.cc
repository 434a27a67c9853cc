#include "server/store/memory/turns.h"

#include <algorithm>

namespace errand::store {

void Turns::Offer(Queue* queue) {
  for (size_t kind = 0; kind < turns_.size(); ++kind) {
    WaitingLine& line = queue->lines[kind];
    if (line.in_turns || line.size == 0) continue;
    line.in_turns = true;
    line.credit = std::max(1, queue->settings.weight());
    turns_[kind].push_back(queue);
  }
}

Record* Turns::Next(task::HandlerKind kind, clock::Instant now, JournalPlace synced,
                    absl::FunctionRef<bool(const Queue&)> has_room,
                    absl::FunctionRef<void(Queue*)> on_rate_limit) {
  auto& turns = turns_[static_cast<size_t>(kind)];
  while (!turns.empty()) {
    Queue* queue = turns.front();
    WaitingLine& line = queue->lines[static_cast<size_t>(kind)];
    Record* record = line.First();
    const v1::HeldBy held = record == nullptr ? v1::HELD_BY_UNSPECIFIED : queue->HeldBack(now);
    if (record == nullptr || held != v1::HELD_BY_UNSPECIFIED) {
      turns.pop_front();
      line.in_turns = false;
      if (held == v1::HELD_BY_RATE_LIMIT) on_rate_limit(queue);
      continue;
    }
    if (!has_room(*queue)) {
      turns.pop_front();
      passed_over_.push_back(queue);
      continue;
    }
    if (record->place >= synced) {
      turns.pop_front();
      aside_.push_back({static_cast<size_t>(kind), queue});
      continue;
    }
    line.Remove(record);
    queue->bucket.Take();
    if (--line.credit <= 0) {
      line.credit = std::max(1, queue->settings.weight());
      turns.pop_front();
      turns.push_back(queue);
    }
    return record;
  }
  return nullptr;
}

void Turns::TakeBackPassedOver(task::HandlerKind kind) {
  auto& turns = turns_[static_cast<size_t>(kind)];
  turns.insert(turns.begin(), passed_over_.begin(), passed_over_.end());
  passed_over_.clear();
}

void Turns::TakeBackAside() {
  for (const Aside& aside : aside_) turns_[aside.kind].push_back(aside.queue);
  aside_.clear();
}

void Turns::Forget(Queue* queue) {
  for (size_t kind = 0; kind < turns_.size(); ++kind) {
    if (!queue->lines[kind].in_turns) continue;
    auto& turns = turns_[kind];
    turns.erase(std::remove(turns.begin(), turns.end(), queue), turns.end());
    const auto is_of_queue = [queue](const Aside& aside) { return aside.queue == queue; };
    aside_.erase(std::remove_if(aside_.begin(), aside_.end(), is_of_queue), aside_.end());
  }
}

}  // namespace errand::store
