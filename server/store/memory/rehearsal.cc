#include "server/store/memory/rehearsal.h"

#include <algorithm>

#include "absl/synchronization/mutex.h"
#include "server/store/memory/memory_store_replay.h"

namespace errand::store {

struct Rehearsal::State {
  MemoryStore store{StoreOptions(), nullptr};  // Without threads: nothing happens in it.
  MemoryStore::Replay replay{&store};
};

Rehearsal::Rehearsal(bool parts_missing) : state_(std::make_unique<State>()) {
  state_->replay.parts_missing_ = parts_missing;
  state_->replay.new_records_ = 0;
}
Rehearsal::~Rehearsal() = default;

absl::Status Rehearsal::Apply(JournalPlace place, absl::string_view change, uint64_t bytes) {
  absl::MutexLock lock(&state_->replay.store_.mu_);
  return state_->replay.Apply(place, change, bytes);
}

std::string Rehearsal::TaskName(uint64_t order) const {
  const Record* const record = state_->replay.Find(order);
  return record == nullptr ? "" : record->name();
}

uint64_t Rehearsal::TaskOrder(absl::string_view name) const {
  absl::MutexLock lock(&state_->replay.store_.mu_);
  const Record* const record = state_->replay.store_.Find(name);
  return record == nullptr ? 0 : record->order;
}

std::vector<Rehearsal::Scriptless> Rehearsal::TasksWithoutScript() const {
  std::vector<Scriptless> found;
  const MemoryStore::Replay& replay = state_->replay;
  for (const auto& [order, script] : replay.script_of_) {
    const auto it = replay.scripts_.find(script.first);
    if (it != replay.scripts_.end() && it->second.versions.contains(script.second)) continue;
    found.push_back({order, script.first, script.second});
  }
  std::sort(found.begin(), found.end(),
            [](const Scriptless& a, const Scriptless& b) { return a.order < b.order; });
  return found;
}

std::map<v1::TaskState, int64_t> Rehearsal::TasksByState() const {
  std::map<v1::TaskState, int64_t> tasks;
  for (const auto& [order, record] : state_->replay.by_order_) ++tasks[record->state];
  return tasks;
}

uint64_t Rehearsal::dropped_part() const { return state_->replay.dropped_part_; }

std::string Rehearsal::DescribePartDropped(uint64_t part) {
  absl::MutexLock lock(&state_->replay.store_.mu_);
  for (const Scriptless& task : TasksWithoutScript()) state_->replay.script_of_.erase(task.order);
  // Nothing is left of which it could complain.
  (void)state_->replay.FinishScripts();
  return state_->replay.store_.DescribePartDropped(part).SerializeAsString();
}

}  // namespace errand::store
