// How tasks that wait get to claims that wait.
#include <algorithm>
#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "server/store/memory/answer.h"
#include "server/store/memory/memory_store.h"

namespace errand::store {
namespace {

// What is left of a claim's room as it takes one task after the other.
class RoomLeft {
 public:
  // `room` is borrowed.
  explicit RoomLeft(const task::Room& room)
      : room_(room), bounded_(!room.queues.empty() || room.tasks_a_queue < room.tasks) {}

  bool any() const { return tasks_ < room_.tasks && (tasks_ == 0 || bytes_ < room_.bytes); }

  bool Has(const Queue& queue) const {
    if (!bounded_) return true;
    const auto taken = taken_.find(&queue);
    return (taken == taken_.end() ? 0 : taken->second) < Of(queue);
  }

  void Take(const Record& record) {
    ++tasks_;
    bytes_ += record.bytes();
    if (bounded_) ++taken_[record.queue];
  }

 private:
  int Of(const Queue& queue) const {
    const auto named = room_.queues.find(queue.name);
    return named == room_.queues.end() ? room_.tasks_a_queue : named->second.tasks;
  }

  const task::Room& room_;
  const bool bounded_;
  int tasks_ = 0;
  int64_t bytes_ = 0;
  absl::flat_hash_map<const Queue*, int> taken_;
};

}  // namespace

// What a claim gets, and which of its tasks have bodies that are to be read first.
struct MemoryStore::Claimed {
  struct Unread {
    size_t index;
    JournalPlace place;
    Snapshot snapshot;
  };
  std::vector<ClaimedTask> tasks;
  std::deque<Unread> unread;
};

WaitId MemoryStore::Claim(ClaimRequest request, Callback<std::vector<ClaimedTask>> done) {
  Deferred deferred;
  WaitId id = 0;
  {
    absl::MutexLock lock(&mu_);
    id = next_wait_id_++;
    if (!refusal_.ok()) {
      deferred.at_once.push_back(Answer(std::move(done), std::vector<ClaimedTask>()));
    } else {
      std::deque<ClaimWaiter>& waiters = claims_[static_cast<size_t>(request.kind)];
      waiters.push_back({id, std::move(request), std::move(done)});
      MatchClaims(Now(), deferred);
    }
    Commit(deferred);
  }
  deferred.Run();
  return id;
}

void MemoryStore::MatchClaims(const clock::Moment& now, Deferred& deferred) {
  if (journal_ != nullptr) journal_->EndGroup();
  const JournalPlace synced =
      journal_ == nullptr ? std::numeric_limits<JournalPlace>::max() : journal_->Synced();
  if (journal_ != nullptr && journal_->IsFull()) {
    // What would start would only wait, for its end to be kept.
    MatchClaimsOnceSafe();
    return;
  }
  Deferred claims;
  for (std::deque<ClaimWaiter>& waiters : claims_) {
    for (auto waiter = waiters.begin(); waiter != waiters.end();) {
      std::shared_ptr<Claimed> claimed = Match(waiter->request, now, synced, deferred);
      if (claimed == nullptr) {
        ++waiter;
        continue;
      }
      for (Claimed::Unread& unread : claimed->unread) {
        claims.wanted.push_back({unread.place, &unread.snapshot.body});
      }
      claims.push_back([claimed, done = std::move(waiter->done)](const absl::Status& safe) mutable {
        for (Claimed::Unread& unread : claimed->unread) {
          claimed->tasks[unread.index].task =
              std::make_shared<const v1::Task>(std::move(unread.snapshot).Complete());
        }
        if (!safe.ok()) claimed->tasks.clear();
        done(std::move(claimed->tasks));
      });
      waiter = waiters.erase(waiter);
    }
  }
  if (turns_.has_aside()) MatchClaimsOnceSafe();
  // They do not wait for what Start has told the journal.
  ReadFirst(claims);
  for (Call& claim : claims.calls) deferred.at_once.push_back(std::move(claim));
}

std::shared_ptr<MemoryStore::Claimed> MemoryStore::Match(const ClaimRequest& request,
                                                         const clock::Moment& now, JournalPlace synced,
                                                         Deferred& deferred) {
  std::shared_ptr<Claimed> claimed;
  RoomLeft room(request.room);
  while (room.any()) {
    Record* record = turns_.Next(
        request.kind, now.instant, synced, [&room](const Queue& queue) { return room.Has(queue); },
        [this](Queue* queue) {
          mu_.AssertHeld();
          SetQueueAlarm(queue, std::min(queue->alarm, queue->bucket.NextToken()));
        });
    if (record == nullptr) break;
    room.Take(*record);
    if (claimed == nullptr) claimed = std::make_shared<Claimed>();
    if (record->body == nullptr) {
      // As it was asked for, without what has become of it.
      Snapshot asked;
      asked.task.set_name(record->name());
      asked.kind = record->kind;
      asked.view = v1::TASK_VIEW_FULL;
      claimed->unread.push_back({claimed->tasks.size(), record->place, std::move(asked)});
    }
    claimed->tasks.push_back(Start(record, request, now, deferred));
  }
  turns_.TakeBackPassedOver(request.kind);
  return claimed;
}

ClaimedTask MemoryStore::Start(Record* record, const ClaimRequest& request, const clock::Moment& now,
                               Deferred& deferred) {
  ClaimedTask claimed;
  if (record->body != nullptr) claimed.task = record->Spec();
  DropBody(record);
  record->StartAttempt(request.worker, now.time);
  History& past = *record->history;
  past.lease_token = next_lease_token_++;
  past.holder = request.holder;
  past.cancel_requested = false;
  SetAlarm(record, now.instant + request.lease_duration);
  claimed.lease = {record->name(), past.lease_token};
  if (record->has_script) claimed.script = record->script()->script;
  claimed.attempt = past.output.attempt_count;
  claimed.tries = past.tries;
  claimed.weight = std::max(1, record->queue->settings.weight());
  claimed.create_time = record->create_time();
  if (!past.output.result.empty()) (void)claimed.previous_result.ParseFromString(past.output.result);
  record->Enter(v1::TASK_STATE_RUNNING, now.time);
  LogMoved(*record, now.time);
  Recount(*record);
  NotifyWatchers(record, deferred);
  return claimed;
}

void MemoryStore::MatchClaimsOnceSafe() {
  if (std::exchange(matches_once_safe_, true)) return;
  // Behind those who are told that their tasks are safe: it takes longer than telling them.
  journal_->AfterSynced([this](const absl::Status& safe) {
    if (!safe.ok()) {
      Fail(safe);
      return;
    }
    Deferred deferred;
    {
      absl::MutexLock lock(&mu_);
      matches_once_safe_ = false;
      turns_.TakeBackAside();
      MatchClaims(Now(), deferred);
      Commit(deferred);
    }
    deferred.Run();
  });
}

v1::HeldBy MemoryStore::HeldByExecutors(const Queue& queue) const {
  for (size_t kind = 0; kind < claims_.size(); ++kind) {
    if (queue.lines[kind].size == 0) continue;
    for (const ClaimWaiter& waiter : claims_[kind]) {
      const auto& rooms = waiter.request.room.queues;
      if (const auto room = rooms.find(queue.name); room != rooms.end()) return room->second.held_by;
      if (waiter.request.room.held_by != v1::HELD_BY_UNSPECIFIED) return waiter.request.room.held_by;
    }
  }
  return v1::HELD_BY_EXECUTORS;
}

}  // namespace errand::store
