// What clients and executors change about one task in the memory store.
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/store/errors.h"
#include "server/store/memory/changes.pb.h"
#include "server/store/memory/memory_store.h"
#include "server/task/duration.h"
#include "server/task/errors.h"

namespace errand::store {
namespace {

constexpr absl::Duration kRetryDelay = absl::Seconds(1);

}  // namespace

absl::StatusOr<Record*> MemoryStore::FindForChange(const ChangeRequest& request) {
  if (absl::Status refused = CheckChanges(); !refused.ok()) return refused;
  Record* record = Find(request.name);
  if (record == nullptr) return task::NotFound("task", request.name);
  if (!request.etag.empty() && request.etag != record->Etag()) {
    return EtagMismatch("etag", "task", record->Etag());
  }
  return record;
}

absl::StatusOr<Record*> MemoryStore::CancelOne(const ChangeRequest& request, const clock::Moment& now,
                                               Deferred& deferred) {
  const absl::StatusOr<Record*> found = FindForChange(request);
  if (!found.ok()) return found.status();
  Record* record = *found;
  switch (record->state) {
    case v1::TASK_STATE_CANCELLED:
      break;
    case v1::TASK_STATE_SCHEDULED:
    case v1::TASK_STATE_QUEUED:
    case v1::TASK_STATE_RUNNING:
      CancelRecord(record, now, deferred);
      break;
    default: {
      const std::string& state = v1::TaskState_Name(record->state);
      return task::Error(
          absl::StatusCode::kFailedPrecondition, "TASK_ENDED",
          absl::StrCat("'", request.name, "' cannot be cancelled: it is ", task::StateWord(record->state)),
          {{"state", state}});
    }
  }
  return record;
}

absl::StatusOr<Record*> MemoryStore::RetryOne(const ChangeRequest& request, Pasts& pasts,
                                              const clock::Moment& now, Deferred& deferred) {
  const absl::StatusOr<Record*> found = FindForChange(request);
  if (!found.ok()) return found.status();
  Record* record = *found;
  Queue* queue = record->queue;
  if (!record->ended() || record->state == v1::TASK_STATE_SUCCEEDED) {
    const std::string& state = v1::TaskState_Name(record->state);
    return task::Error(
        absl::StatusCode::kFailedPrecondition, record->ended() ? "TASK_SUCCEEDED" : "TASK_NOT_ENDED",
        absl::StrCat("'", request.name, "' cannot be retried: it is ", task::StateWord(record->state)),
        {{"state", state}});
  }
  if (const Lineage* const cancelled = Lineages::CancelledAbove(record->lineage()); cancelled != nullptr) {
    return task::Error(absl::StatusCode::kFailedPrecondition, "BEING_CANCELLED",
                       absl::StrCat("'", request.name, "' cannot be retried yet: descendants of '",
                                    cancelled->Name(), "' are being cancelled"));
  }
  absl::Status possible = CheckHandler(record->kind);
  if (possible.ok()) possible = CheckRoom(*queue, 1, record->bytes());
  if (!possible.ok()) return possible;
  if (record->is_stored()) {
    const auto past = pasts.find(record->history->stored.place);
    if (past == pasts.end()) {
      return task::TryAgain(
          "TASK_CHANGED",
          absl::StrCat("'", request.name, "' was retried at the same time, and has ended again"),
          kRetryDelay);
    }
    if (!past->second.ok()) return past->second.status();
    record->RestorePast(*std::move(past->second));
  }
  queue->ended.erase(record->position);
  ended_.erase(record->position);
  queue->live_bytes += record->bytes();
  record->NeverExpires();
  record->history->tries = 0;
  record->history->output.end = absl::InfiniteFuture();
  if (record->lineage() != nullptr) lineages_.Revived(record->lineage());
  JoinKeyLine(record);
  Enqueue(record, /*again=*/false, now, deferred);
  return record;
}

absl::Status MemoryStore::DeleteOne(const ChangeRequest& request, Deferred& deferred) {
  const absl::StatusOr<Record*> found = FindForChange(request);
  if (!found.ok()) return found.status();
  Record* record = *found;
  if (!record->ended()) {
    const std::string& state = v1::TaskState_Name(record->state);
    return task::Error(absl::StatusCode::kFailedPrecondition, "TASK_NOT_ENDED",
                       absl::StrCat("'", request.name, "' cannot be deleted: it is ",
                                    task::StateWord(record->state), "; cancel it first"),
                       {{"state", state}});
  }
  Forget(record, deferred);
  return absl::OkStatus();
}

absl::Status MemoryStore::FinishOne(FinishRequest& request, const clock::Moment& now, Deferred& deferred) {
  Record* record = FindLeased(request.lease);
  if (record == nullptr) return StaleLease(request.lease);
  History& past = *record->history;
  const auto error = KeepError(std::move(request.error));
  const KeptUsage usage(request.usage);
  record->EndAttempt(error, usage, now.time);
  // An attempt that did not end by itself, or did not begin, has nothing to say that counts, but for what it
  // leaves to the next one.
  const bool counts = request.verdict != Verdict::kReleased && request.verdict != Verdict::kPutOff;
  if (counts) {
    past.output.error = error;
    past.output.usage = usage;
  }
  std::string result = request.result.SerializeAsString();
  if (counts || !result.empty()) past.output.result = std::move(result);
  const bool cancelled = past.cancel_requested;
  switch (request.verdict) {
    case Verdict::kSucceeded:
      End(record, v1::TASK_STATE_SUCCEEDED, now, deferred);
      break;
    case Verdict::kFailed:
      End(record, v1::TASK_STATE_FAILED, now, deferred);
      break;
    case Verdict::kCancelled:
      End(record, v1::TASK_STATE_CANCELLED, now, deferred);
      break;
    case Verdict::kRetry:
    case Verdict::kReleased:
    case Verdict::kPutOff:
      DropLease(record);
      if (request.verdict == Verdict::kPutOff) --past.tries;
      if (cancelled) {
        End(record, v1::TASK_STATE_CANCELLED, now, deferred);
      } else if (request.verdict == Verdict::kReleased) {
        Enqueue(record, /*again=*/true, now, deferred);
      } else {
        ScheduleAfter(record, request.retry_delay, now, deferred);
      }
      break;
  }
  return absl::OkStatus();
}

}  // namespace errand::store
