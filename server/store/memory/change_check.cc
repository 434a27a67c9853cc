#include "server/store/memory/change_check.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "server/store/memory/changes.pb.h"
#include "server/task/limits.h"
#include "server/task/name.h"
#include "server/task/state.h"

namespace errand::store {
namespace {

// More than can be counted one by one: positions, revisions of queues, and so on. What goes on from there
// does not overflow. For times that is the year 2116.
constexpr uint64_t kMaxNumber = uint64_t{1} << 62;
// The same for what counts the attempts and changes of one task.
constexpr int32_t kMaxCount = 1 << 30;

// More than the option allows.
constexpr int kMaxAncestors = 1'000;

constexpr bool IsNumber(uint64_t number) { return number < kMaxNumber; }
// Not before 1970 either.
constexpr bool IsTime(int64_t unix_nanos) { return IsNumber(static_cast<uint64_t>(unix_nanos)); }
constexpr bool IsCount(int32_t count) { return count >= 0 && count < kMaxCount; }
constexpr bool IsVersion(int64_t version) { return version > 0 && IsNumber(static_cast<uint64_t>(version)); }

bool IsState(v1::TaskState state) {
  return v1::TaskState_IsValid(state) && state != v1::TASK_STATE_UNSPECIFIED;
}

// What every move has.
bool IsMove(const TaskMoved& moved) {
  return IsState(moved.state()) && IsTime(moved.time()) && IsTime(moved.due()) &&
         IsNumber(moved.position()) && IsNumber(moved.key_position()) && IsNumber(moved.lease_token()) &&
         moved.revision() > 0 && IsCount(moved.revision()) && IsCount(moved.tries()) &&
         IsCount(moved.attempt_count());
}

bool IsPast(const TaskPast& past, v1::TaskState state) {
  const v1::Task& output = past.output();
  if (!IsCount(past.tries()) || !IsCount(output.attempt_count()) || !IsNumber(past.lease_token()))
    return false;
  const bool runs = state == v1::TASK_STATE_RUNNING;
  if (runs != (past.lease_token() != 0) || (runs && output.attempts().empty())) return false;
  // The latest event of a task is always kept: that of its state, or what it reported in it.
  if (past.events().empty() != past.stored() || (past.stored() && !task::IsTerminal(state))) return false;
  if (!IsNumber(static_cast<uint64_t>(past.next_sequence()))) return false;
  const int64_t first = past.next_sequence() - std::max(1, past.events_size());
  if (first < 1) return false;
  for (int i = 0; i < past.events_size(); ++i) {
    const PastEvent& event = past.events(i);
    if (event.has_event() ? event.event().sequence() != first + i
                          : !IsState(event.state()) || !IsTime(event.time())) {
      return false;
    }
  }
  return true;
}

// Whether a task can have entered the store, or been said again, in its first state.
bool IsBeginning(const TaskAdded& added) {
  const TaskMoved& first = added.first();
  if (!IsMove(first) || first.lease_token() != 0) return false;
  // One that has gone through nothing but being queued has no past.
  if (added.again() && !added.has_past()) return first.state() == v1::TASK_STATE_QUEUED;
  if (added.has_past()) return added.again() && IsPast(added.past(), first.state());
  return first.state() == v1::TASK_STATE_QUEUED || first.state() == v1::TASK_STATE_SCHEDULED;
}

absl::Status CheckAdded(const TaskAdded& added) {
  if (!task::CheckTaskName(added.name(), "name").ok()) {
    return Impossible(absl::StrCat("a task is called '", added.name(), "'"));
  }
  const bool accepted = added.priority() >= 0 && added.priority() <= task::kMaxPriority &&
                        added.ordering_key().size() <= task::kMaxOrderingKeyBytes && added.body_bytes() > 0;
  bool descends = IsNumber(added.family_since()) && added.ancestors_size() <= kMaxAncestors;
  for (int i = 0; i < added.ancestors_size(); ++i) {
    const Ancestor& ancestor = added.ancestors(i);
    // Each is older than what it made.
    const uint64_t next = i + 1 < added.ancestors_size() ? added.ancestors(i + 1).order() : added.order();
    descends &=
        ancestor.order() > 0 && ancestor.order() < next && task::CheckTaskName(ancestor.name(), "name").ok();
  }
  if (!accepted || !descends || added.order() == 0 || !IsNumber(added.order()) ||
      !IsTime(added.create_time()) || !IsTime(added.expire_time()) || !IsBeginning(added)) {
    return Impossible(absl::StrCat("'", added.name(), "' cannot have been accepted"));
  }
  return absl::OkStatus();
}

absl::Status CheckMoved(const TaskMoved& moved) {
  const bool runs = moved.state() == v1::TASK_STATE_RUNNING;
  if (!IsMove(moved) || runs != (moved.lease_token() != 0) || (runs && !moved.has_attempt())) {
    return Impossible(absl::StrCat("a task enters state ", moved.state(), " as none does"));
  }
  if (!v1::TaskResult().ParseFromString(moved.result())) return Impossible("a task's result is not readable");
  return absl::OkStatus();
}

absl::Status CheckStored(const PastStored& stored) {
  if (stored.events() > 0 && stored.bytes() > 0) return absl::OkStatus();
  return Impossible("nothing is stored of what a task has gone through");
}

absl::Status CheckQueue(const QueueSet& set) {
  if (!task::CheckQueueName(set.name(), "name").ok()) {
    return Impossible(absl::StrCat("a queue is called '", set.name(), "'"));
  }
  if (set.revision() == 0 || !IsNumber(set.revision())) {
    return Impossible(absl::StrCat("'", set.name(), "' has a revision that there is not"));
  }
  return absl::OkStatus();
}

absl::Status CheckPurged(const QueuePurged& purged) {
  if (task::CheckQueueName(purged.name(), "name").ok() && IsNumber(purged.lease())) return absl::OkStatus();
  return Impossible(absl::StrCat("'", purged.name(), "' was purged as none is"));
}

absl::Status CheckScript(const ScriptPut& put) {
  if (!task::CheckScriptName(put.name(), "name").ok()) {
    return Impossible(absl::StrCat("a script is called '", put.name(), "'"));
  }
  if (!IsVersion(put.version()) || !IsTime(put.time())) {
    return Impossible(absl::StrCat("'", put.name(), "' has a version that there is not"));
  }
  return absl::OkStatus();
}

absl::Status CheckDropped(const PartDropped& dropped) {
  bool possible = IsNumber(dropped.part()) && IsNumber(dropped.next_order()) &&
                  IsNumber(dropped.next_position()) && IsNumber(dropped.next_lease_token()) &&
                  IsNumber(dropped.next_queue_revision()) &&
                  IsNumber(static_cast<uint64_t>(dropped.last_forgotten_version())) &&
                  IsNumber(static_cast<uint64_t>(dropped.next_log_position()));
  for (const auto& [name, version] : dropped.last_script_versions()) possible &= IsVersion(version);
  return possible ? absl::OkStatus() : Impossible("a part is dropped with numbers that there are not");
}

}  // namespace

absl::Status Impossible(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the journal does not fit together: ", what));
}

absl::Status CheckChange(const Change& change) {
  switch (change.change_case()) {
    case Change::kTaskAdded:
      return CheckAdded(change.task_added());
    case Change::kTaskMoved:
      return CheckMoved(change.task_moved());
    case Change::kTaskReported:
      if (!IsTime(change.task_reported().time())) return Impossible("a task reports at no time");
      return absl::OkStatus();
    case Change::kPastStored:
      return CheckStored(change.past_stored());
    case Change::kQueueSet:
      return CheckQueue(change.queue_set());
    case Change::kScriptPut:
      return CheckScript(change.script_put());
    case Change::kRequestRemembered:
      if (!IsTime(change.request_remembered().time())) return Impossible("a request came at no time");
      return absl::OkStatus();
    case Change::kPartDropped:
      return CheckDropped(change.part_dropped());
    case Change::kQueuePurged:
      return CheckPurged(change.queue_purged());
    case Change::kQueueDeleted:
      if (task::CheckQueueName(change.queue_deleted().name(), "name").ok()) return absl::OkStatus();
      return Impossible("a queue is deleted that there cannot be");
    case Change::kTaskResultKept:
      if (v1::TaskResult().ParseFromString(change.task_result_kept().result())) return absl::OkStatus();
      return Impossible("a task's result is not readable");
    case Change::kTaskCancelRequested:
    case Change::kDescendantsCancelled:
    case Change::kTaskForgotten:
    case Change::kScriptDeleted:
      return absl::OkStatus();
    case Change::CHANGE_NOT_SET:
      break;
  }
  return Impossible("a change of a kind that this server does not know");
}

}  // namespace errand::store
