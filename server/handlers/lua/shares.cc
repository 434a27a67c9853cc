#include "server/handlers/lua/shares.h"

#include <algorithm>

namespace errand::handlers {

std::deque<Ready>& Shares::LineOf(Share& share, Line line) {
  switch (line) {
    case Line::kFresh:
      return share.fresh;
    case Line::kTurned:
      return share.turned;
    case Line::kInPlace:
      break;
  }
  return share.in_place;
}

std::shared_ptr<Share> Shares::Of(const std::string& queue, int weight) {
  auto found = shares_.find(queue);
  if (found == shares_.end()) {
    if (shares_.size() >= forget_at_) ForgetIdle();
    found = shares_.emplace(queue, std::make_shared<Share>(queue)).first;
    found->second->virtual_time = virtual_time_;
  }
  found->second->weight = weight;
  return found->second;
}

// One that is ahead is remembered, or its queue would have its time anew.
void Shares::ForgetIdle() {
  absl::erase_if(shares_, [this](const auto& entry) {
    const std::shared_ptr<Share>& share = entry.second;
    return share.use_count() == 1 && (waiting_.empty() || share->virtual_time <= virtual_time_);
  });
  forget_at_ = std::max<size_t>(64, 2 * shares_.size());
}

void Shares::BeforeAdd(Share& share) {
  ++size_;
  if (share.wants_turn()) return;
  share.virtual_time = std::max(share.virtual_time, virtual_time_);
  waiting_.insert({share.virtual_time, &share});
}

void Shares::AfterRemoval(Share& share) {
  --size_;
  if (!share.wants_turn()) waiting_.erase({share.virtual_time, &share});
}

void Shares::Add(Share& share, Line line, Ready ready) {
  BeforeAdd(share);
  LineOf(share, line).push_back(ready);
}

void Shares::AddFirst(Share& share, Ready ready) {
  BeforeAdd(share);
  share.fresh.push_front(ready);
}

void Shares::Remove(Share& share, const LuaAttempt* attempt) {
  for (std::deque<Ready>* line : {&share.fresh, &share.turned, &share.in_place}) {
    const auto found = std::find_if(line->begin(), line->end(),
                                    [attempt](const Ready& ready) { return ready.attempt == attempt; });
    if (found == line->end()) continue;
    line->erase(found);
    AfterRemoval(share);
    return;
  }
}

void Shares::InOrder(absl::FunctionRef<bool(Share&)> visit) const {
  for (const Place& place : waiting_) {
    if (!visit(*place.second)) return;
  }
}

Ready Shares::Take(Share& share, Line line, absl::Duration expected) {
  virtual_time_ = std::max(virtual_time_, share.virtual_time);
  std::deque<Ready>& from = LineOf(share, line);
  const Ready taken = from.front();
  from.pop_front();
  AfterRemoval(share);
  Advance(share, expected);
  return taken;
}

void Shares::Correct(Share& share, absl::Duration more) { Advance(share, more); }

void Shares::Advance(Share& share, absl::Duration by) {
  const bool waits = share.wants_turn();
  if (waits) waiting_.erase({share.virtual_time, &share});
  share.virtual_time += by / share.weight;
  if (waits) waiting_.insert({share.virtual_time, &share});
}

void Shares::ForEach(absl::FunctionRef<void(Share&)> visit) const {
  for (const auto& [queue, share] : shares_) visit(*share);
}

std::vector<Ready> Shares::TakeAll() {
  std::vector<Ready> all;
  for (const Place& place : waiting_) {
    for (std::deque<Ready>* line : {&place.second->fresh, &place.second->turned, &place.second->in_place}) {
      all.insert(all.end(), line->begin(), line->end());
      line->clear();
    }
  }
  waiting_.clear();
  size_ = 0;
  return all;
}

}  // namespace errand::handlers
