#include "tests/store/conformance/model.h"

#include <algorithm>
#include <functional>
#include <tuple>
#include <utility>

namespace errand::store {
namespace {

constexpr int kMaxInterruptedTries = 10;

}  // namespace

void Model::Enter(Task& task, v1::TaskState state) {
  task.state = state;
  ++task.events;
  task.ends_in_progress = false;
  if (task.live()) return;
  task.end = now_;
  task.end_position = ++counter_;
}

void Model::Enqueue(Task& task) {
  task.position = ++counter_;
  Enter(task, v1::TASK_STATE_QUEUED);
}

bool Model::HasRoom(const std::string& queue) const {
  return std::count_if(tasks_.begin(), tasks_.end(), [&](const auto& entry) {
           return entry.second.queue == queue && entry.second.live();
         }) < max_live_;
}

void Model::Submit(Task task) {
  task.order = ++counter_;
  places_[task.order] = {task.id, task.parent, task.order};
  if (task.parent != 0) {
    places_[task.order].root = places_[task.parent].root;
    places_[task.order].depth = places_[task.parent].depth + 1;
  }
  task.key_position = ++counter_;
  if (task.due > now_) {
    Enter(task, v1::TASK_STATE_SCHEDULED);
  } else {
    Enqueue(task);
  }
  const std::string id = task.id;
  tasks_[id] = std::move(task);
}

Model::Task* Model::NextOf(const std::string& queue) {
  const Queue& settings = queues_[queue];
  int running = 0;
  Task* next = nullptr;
  for (auto& candidate : tasks_) {
    Task& task = candidate.second;  // Not a structured binding: clang 14 captures none.
    if (task.queue != queue) continue;
    if (task.state == v1::TASK_STATE_RUNNING) ++running;
    if (task.state != v1::TASK_STATE_QUEUED) continue;
    const bool held = !task.key.empty() && std::any_of(tasks_.begin(), tasks_.end(), [&](const auto& entry) {
      const Task& other = entry.second;
      return other.queue == queue && other.key == task.key && other.live() &&
             other.key_position < task.key_position;
    });
    if (held) continue;
    if (next == nullptr ||
        std::tuple(-task.priority, task.position) < std::tuple(-next->priority, next->position)) {
      next = &task;
    }
  }
  if (settings.paused || (settings.max_running > 0 && running >= settings.max_running)) return nullptr;
  return next;
}

void Model::Start(Task& task, uint64_t token, absl::Time lease_end) {
  last_token_ = std::max(last_token_, token);
  ++task.attempts;
  ++task.tries;
  task.token = token;
  task.lease_end = lease_end;
  task.expires = absl::InfiniteFuture();
  task.cancel_requested = false;
  Enter(task, v1::TASK_STATE_RUNNING);
}

void Model::Finish(Task& task, Verdict verdict, absl::Time retry_at) {
  task.token = 0;
  switch (verdict) {
    case Verdict::kSucceeded:
      return Enter(task, v1::TASK_STATE_SUCCEEDED);
    case Verdict::kFailed:
      return Enter(task, v1::TASK_STATE_FAILED);
    case Verdict::kCancelled:
      return Enter(task, v1::TASK_STATE_CANCELLED);
    case Verdict::kReleased:
      return Enter(task, task.cancel_requested ? v1::TASK_STATE_CANCELLED : v1::TASK_STATE_QUEUED);
    case Verdict::kPutOff:
      --task.tries;
      [[fallthrough]];
    case Verdict::kRetry:
      task.due = retry_at;
      return Enter(task, task.cancel_requested ? v1::TASK_STATE_CANCELLED : v1::TASK_STATE_SCHEDULED);
  }
}

void Model::Cancel(Task& task) {
  if (task.waits()) Enter(task, v1::TASK_STATE_CANCELLED);
  if (task.state == v1::TASK_STATE_RUNNING) task.cancel_requested = true;
}

Model::Task* Model::At(uint64_t order) {
  Task* const task = Find(places_.at(order).id);
  return task != nullptr && task->order == order ? task : nullptr;
}

bool Model::IsBelow(uint64_t order, uint64_t above) const {
  while (order != 0 && order != above) order = places_.at(order).parent;
  return order == above;
}

std::vector<Model::Task*> Model::LivingBelow(uint64_t above) {
  std::map<uint64_t, Task*> below;
  for (auto& [id, task] : tasks_) {
    if (task.live() && task.order != above && IsBelow(task.order, above)) below[task.order] = &task;
  }
  std::vector<Task*> living;
  for (const auto& [order, task] : below) living.push_back(task);
  return living;
}

bool Model::IsBeingCancelled(uint64_t order) {
  for (; order != 0; order = places_[order].parent) {
    if (cancelled_.count(order) > 0) return true;
  }
  return false;
}

void Model::SettleCancels() {
  std::erase_if(cancelled_, [this](uint64_t order) {
    const Task* const task = At(order);
    return LivingBelow(order).empty() && (task == nullptr || !task->live());
  });
}

std::string Model::WhyNot(const Task& by, const std::string& queue) {
  if (by.cancel_requested || IsBeingCancelled(by.order)) return "SUBMITTER_CANCELLED";
  Place& root = places_[places_[by.order].root];
  const auto living = LivingBelow(places_[by.order].root);
  const uint64_t since = living.empty() ? by.token : root.since;
  const auto purged = purged_at_.find(queue);
  if (purged != purged_at_.end() && since <= purged->second) return "QUEUE_PURGED";
  if (places_[by.order].depth == kMaxDepth) return "MAX_TASK_DEPTH";
  return living.size() >= kMaxDescendants ? "MAX_TASK_DESCENDANTS" : "";
}

void Model::SubmitBy(const Task& by, Task task) {
  const uint64_t root = places_[by.order].root;
  if (LivingBelow(root).empty()) places_[root].since = by.token;
  task.parent = by.order;
  Submit(std::move(task));
}

uint64_t Model::FamilyHead(const std::string& id) {
  if (const Task* const task = Find(id)) return task->order;
  uint64_t head = 0;
  for (const auto& entry : tasks_) {
    for (uint64_t order = entry.second.parent; order != 0; order = places_[order].parent) {
      if (places_[order].id == id) head = std::max(head, order);
    }
  }
  return head;
}

int64_t Model::CancelTree(uint64_t order) {
  const std::vector<Task*> living = LivingBelow(order);
  if (!living.empty()) cancelled_.insert(order);
  if (Task* const task = At(order)) Cancel(*task);
  for (Task* task : living) Cancel(*task);
  return static_cast<int64_t>(living.size());
}

void Model::Retry(Task& task) {
  task.tries = 0;
  task.key_position = ++counter_;
  task.expires = absl::InfiniteFuture();
  Enqueue(task);
}

void Model::Report(Task& task, bool progress) {
  if (!(progress && task.ends_in_progress)) ++task.events;
  task.ends_in_progress = progress;
}

int64_t Model::Purge(const std::string& queue) {
  purged_at_[queue] = last_token_;
  return static_cast<int64_t>(std::erase_if(
      tasks_, [&](const auto& entry) { return entry.second.queue == queue && entry.second.waits(); }));
}

void Model::Advance(absl::Time now) {
  now_ = now;
  for (;;) {
    // What is due first happens first; at the same time, the older task.
    Task* first = nullptr;
    absl::Time first_time;
    for (auto& [id, task] : tasks_) {
      absl::Time time = absl::InfiniteFuture();
      if (task.state == v1::TASK_STATE_SCHEDULED) time = std::min(task.due, task.expires);
      if (task.state == v1::TASK_STATE_QUEUED) time = task.expires;
      if (task.state == v1::TASK_STATE_RUNNING) time = task.lease_end;
      if (time > now) continue;
      if (first == nullptr || std::tie(time, task.order) < std::tie(first_time, first->order)) {
        first = &task;
        first_time = time;
      }
    }
    if (first == nullptr) return;
    if (first->state == v1::TASK_STATE_RUNNING) {
      first->token = 0;
      Enter(*first, first->cancel_requested ? v1::TASK_STATE_CANCELLED : v1::TASK_STATE_FAILED);
    } else if (first->expires <= now) {
      Enter(*first, v1::TASK_STATE_EXPIRED);
    } else {
      Enqueue(*first);
    }
  }
}

void Model::Restart() {
  std::map<uint64_t, Task*> interrupted;
  for (auto& [id, task] : tasks_) {
    if (task.state == v1::TASK_STATE_RUNNING) interrupted[task.order] = &task;
  }
  for (const auto& [order, task] : interrupted) {
    task->token = 0;
    if (task->cancel_requested) {
      Enter(*task, v1::TASK_STATE_CANCELLED);
    } else {
      Enter(*task, task->tries < kMaxInterruptedTries ? v1::TASK_STATE_QUEUED : v1::TASK_STATE_FAILED);
    }
  }
}

std::vector<std::string> Model::Old() const {
  std::vector<std::string> old;
  for (const auto& [name, queue] : queues_) {
    std::map<uint64_t, std::string, std::greater<>> latest_first;
    for (const auto& [id, task] : tasks_) {
      if (task.queue == name && !task.live()) latest_first[task.end_position] = id;
    }
    size_t kept = 0;
    for (const auto& [position, id] : latest_first) {
      if (kept < queue.max_count && tasks_.at(id).end + queue.max_age > now_) {
        ++kept;
      } else {
        old.push_back(id);
      }
    }
  }
  return old;
}

Model::Task* Model::Find(const std::string& id) {
  const auto it = tasks_.find(id);
  return it == tasks_.end() ? nullptr : &it->second;
}

bool Model::Keeps(const std::string& name, int64_t version) const {
  const auto script = scripts_.find(name);
  if (script != scripts_.end() && script->second.current == version) return version != 0;
  return std::any_of(tasks_.begin(), tasks_.end(), [&](const auto& entry) {
    return entry.second.script == name && entry.second.version == version;
  });
}

std::vector<std::string> Model::List(const std::string& queue) const {
  std::map<uint64_t, std::string> by_order;
  for (const auto& [id, task] : tasks_) {
    if (task.queue == queue) by_order[task.order] = id;
  }
  std::vector<std::string> ids;
  for (const auto& [order, id] : by_order) ids.push_back(id);
  return ids;
}

}  // namespace errand::store
