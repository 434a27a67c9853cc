// Tasks that scripts make, in the memory store: what they may make, and how a task ends with all that is
// below it.
//
// A script that makes tasks like itself has to come to an end. By itself, since depth and the living of a
// family are bounded. By CancelTree: from its first moment nothing below the task is added or put back, so
// that those that live, looked at once by their order, are all there will be. And by a purge: the queue takes
// nothing from what had begun before it, in whatever queue that goes on, and nothing of the queue starts
// while it is purged.
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/store/errors.h"
#include "server/store/memory/answer.h"
#include "server/store/memory/memory_store.h"
#include "server/task/errors.h"
#include "server/task/name.h"

namespace errand::store {
namespace {

// So many tasks of a family are looked at before other calls are let in.
constexpr int kCancelStep = 1'000;

absl::Status Refused(absl::StatusCode code, absl::string_view reason, absl::string_view message) {
  return task::Error(code, reason, absl::StrCat("the script may not create this task: ", message));
}

}  // namespace

absl::StatusOr<Record*> MemoryStore::FindSubmitter(const Submission& submission) {
  Record* const by = FindLeased(*submission.submitter);
  if (by == nullptr) return StaleLease(*submission.submitter);
  constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;
  const Lineage* const place = by->lineage();
  const Lineage* const cancelled = Lineages::CancelledAbove(place);
  if (by->history->cancel_requested || cancelled != nullptr) {
    return Refused(
        kPrecondition, "SUBMITTER_CANCELLED",
        absl::StrCat("'", cancelled == nullptr ? by->name() : cancelled->Name(), "' is cancelled"));
  }
  const bool alone = place == nullptr || place->root->living == 0;
  const uint64_t since = alone ? submission.submitter->token : place->root->since;
  const absl::string_view queue = task::QueueOf(submission.task->name());
  if (purge_marks_.IsAfter(queue, since)) {
    return Refused(kPrecondition, "QUEUE_PURGED",
                   absl::StrCat("'", queue, "' was purged after what creates it had begun"));
  }
  const int32_t depth = (place == nullptr ? 0 : place->depth) + 1;
  if (depth > options_.max_task_depth) {
    return Refused(
        kPrecondition, "MAX_TASK_DEPTH",
        absl::StrCat("its depth would be ", depth, ", and --max_task_depth=", options_.max_task_depth));
  }
  if (!alone && place->root->living >= options_.max_task_descendants) {
    return Refused(
        absl::StatusCode::kResourceExhausted, "MAX_TASK_DESCENDANTS",
        absl::StrCat(place->root->living, " descendants of '", place->root->Name(),
                     "' have not ended, and --max_task_descendants=", options_.max_task_descendants));
  }
  if (alone && options_.max_task_descendants == 0) {
    return Refused(absl::StatusCode::kResourceExhausted, "MAX_TASK_DESCENDANTS", "--max_task_descendants=0");
  }
  v1::Task& task = *submission.task;
  task.set_parent_task(by->name());
  task.set_root_task(place == nullptr ? by->name() : place->root->Name());
  task.set_depth(depth);
  return by;
}

void MemoryStore::StopAttempt(const Record& record, Deferred& deferred) {
  deferred.push_back([holder = record.history->holder,
                      lease = Lease{record.name(), record.history->lease_token}](const absl::Status& safe) {
    if (safe.ok()) holder->OnCancelRequested(lease);
  });
}

void MemoryStore::CancelRecord(Record* record, const clock::Moment& now, Deferred& deferred) {
  if (record->state == v1::TASK_STATE_RUNNING) {
    if (record->history->cancel_requested) return;
    record->history->cancel_requested = true;
    ++record->revision;
    LogCancelRequested(*record);
    StopAttempt(*record, deferred);
    return;
  }
  record->Grown().output.error = KeepError(task::ToProto(
      task::Error(absl::StatusCode::kCancelled, "CANCELLED", "cancelled before an attempt was running")));
  End(record, v1::TASK_STATE_CANCELLED, now, deferred);
}

void MemoryStore::CancelTree(ChangeRequest request, Callback<absl::StatusOr<CancelledTree>> done) {
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    const clock::Moment now = Now();
    const absl::StatusOr<Record*> found = FindForChange(request);
    Lineage* place = nullptr;
    if (found.ok()) {
      place = (*found)->lineage();
    } else if (absl::IsNotFound(found.status()) && request.etag.empty()) {
      place = lineages_.FindForgotten(request.name);
    }
    if (!found.ok() && place == nullptr) {
      deferred.push_back(Answer(std::move(done), absl::StatusOr<CancelledTree>(found.status())));
    } else {
      // Before the task itself ends: what is below it is to know.
      if (place != nullptr && lineages_.Cancel(place)) LogDescendantsCancelled(place->order, /*over=*/false);
      const uint64_t order = found.ok() ? (*found)->order : place->order;
      if (found.ok() && !(*found)->ended()) CancelRecord(*found, now, deferred);
      CancelSweep sweep{std::move(request.name), order, 0, 0, std::move(done)};
      // What is left is for the alarm thread, so that no caller waits for a large family.
      if (SweepSome(sweep, now, deferred)) {
        sweeps_.push_back(std::move(sweep));
        AlarmChanged(clock::Instant::InfinitePast());
      }
      MatchClaims(now, deferred);
      ForgetOldTasks(now, deferred);
    }
    Commit(deferred);
  }
  deferred.Run();
}

bool MemoryStore::SweepSome(CancelSweep& sweep, const clock::Moment& now, Deferred& deferred) {
  const Lineage* const above = lineages_.Find(sweep.order);
  if (above != nullptr && above->cancelled) {
    auto& family = above->root->family;
    auto it = family.upper_bound(std::max(sweep.after_order, above->order));
    for (int step = 0; it != family.end() && above->cancelled; ++step, ++it) {
      if (step == kCancelStep) return true;
      sweep.after_order = it->first;
      Record* const record = it->second->record;
      if (record == nullptr || record->ended() || !it->second->IsBelow(*above)) continue;
      ++sweep.descendants;
      CancelRecord(record, now, deferred);
    }
  }
  if (!sweep.done) return false;  // It is the end of one that a server before this one had begun.
  const absl::StatusOr<Record*> found = Find(sweep.name);
  auto task = std::make_shared<Snapshots>();
  task->reserve(1);
  if (*found != nullptr && (*found)->order == sweep.order)
    Describe(found, v1::TASK_VIEW_BASIC, *task, deferred);
  deferred.push_back([task, descendants = sweep.descendants,
                      done = std::move(sweep.done)](const absl::Status& safe) mutable {
    if (!safe.ok()) return done(safe);
    CancelledTree tree;
    if (!task->empty()) tree.task = (*std::move(task->front())).Complete();
    tree.descendants = descendants;
    done(std::move(tree));
  });
  return false;
}

}  // namespace errand::store
