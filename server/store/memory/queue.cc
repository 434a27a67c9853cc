#include "server/store/memory/queue.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/task/duration.h"

namespace errand::store {

void WaitingLine::Add(Record* record) {
  auto& tasks = by_priority[record->priority];
  // Nearly always the last.
  tasks.emplace_hint(tasks.end(), record);
  record->waiting = true;
  ++size;
}

void WaitingLine::Remove(Record* record) {
  by_priority[record->priority].erase(record);
  record->waiting = false;
  --size;
}

Record* WaitingLine::First() const {
  if (size == 0) return nullptr;
  for (size_t priority = by_priority.size(); priority-- > 0;) {
    if (!by_priority[priority].empty()) return *by_priority[priority].begin();
  }
  return nullptr;
}

v1::HeldBy Queue::HeldBack(clock::Instant now) {
  if (paused || purges > 0) return v1::HELD_BY_PAUSE;
  if (settings.max_running() > 0 && running() >= settings.max_running()) return v1::HELD_BY_MAX_RUNNING;
  if (!bucket.HasToken(now)) return v1::HELD_BY_RATE_LIMIT;
  return v1::HELD_BY_UNSPECIFIED;
}

NameHolder Queue::Holder() const {
  if (permanent) return NameHolder::kServer;
  if (paused || settings.ByteSizeLong() > 0) return NameHolder::kSettings;
  return records.empty() ? NameHolder::kWatchers : NameHolder::kTasks;
}

bool Queue::Disposable() const {
  return !permanent && !paused && purges == 0 && records.empty() && watchers.empty() &&
         settings.ByteSizeLong() == 0;
}

v1::Queue Queue::View() const {
  v1::Queue view = settings;
  view.set_name(name);
  view.set_state(paused ? v1::QUEUE_STATE_PAUSED : v1::QUEUE_STATE_RUNNING);
  view.set_etag(absl::StrCat("q", absl::Hex(revision)));
  return view;
}

v1::QueueStats Queue::Stats(clock::Instant now, const WallSteps& steps) {
  v1::QueueStats stats;
  for (int state = v1::TASK_STATE_SCHEDULED; state < v1::TaskState_ARRAYSIZE; ++state) {
    const int64_t count = by_state[static_cast<size_t>(state)];
    if (count > 0) {
      (*stats.mutable_tasks_by_state())[v1::TaskState_Name(static_cast<v1::TaskState>(state))] = count;
    }
  }
  clock::Instant oldest = clock::Instant::InfiniteFuture();
  bool waits = false;
  for (const WaitingLine& line : lines) {
    for (const auto& tasks : line.by_priority) {
      if (tasks.empty()) continue;
      waits = true;
      const Record& first = **tasks.begin();
      oldest = std::min(oldest, steps.InstantOf(first.queued_time(), first.position));
    }
  }
  if (waits) {
    *stats.mutable_oldest_queued_age() = task::ToProto(std::max(absl::ZeroDuration(), now - oldest));
    stats.set_held_by(HeldBack(now));
    if (stats.held_by() == v1::HELD_BY_UNSPECIFIED) stats.set_held_by(v1::HELD_BY_EXECUTORS);
  }
  stats.set_created_per_second_1m(created.PerSecond(now, absl::Minutes(1)));
  stats.set_created_per_second_5m(created.PerSecond(now, absl::Minutes(5)));
  stats.set_ended_per_second_1m(finished.PerSecond(now, absl::Minutes(1)));
  stats.set_ended_per_second_5m(finished.PerSecond(now, absl::Minutes(5)));
  return stats;
}

}  // namespace errand::store
