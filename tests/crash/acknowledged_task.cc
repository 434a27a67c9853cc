#include "tests/crash/acknowledged_task.h"

#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/crash/timestamp.h"
#include "tests/end_to_end/calls.h"

namespace errand {
namespace {

using google::protobuf::util::MessageDifferencer;

// The server gives up on a task of which it did not survive so many attempts.
constexpr int kMaxInterrupted = 10;

bool IsTerminal(v1::TaskState state) { return state >= v1::TASK_STATE_SUCCEEDED; }

// The life of a task, as in the store; UNSPECIFIED is before it.
bool MayFollow(v1::TaskState before, v1::TaskState after, bool retried) {
  switch (after) {
    case v1::TASK_STATE_SCHEDULED:
      return before == v1::TASK_STATE_UNSPECIFIED || before == v1::TASK_STATE_RUNNING;
    case v1::TASK_STATE_QUEUED:
      return before <= v1::TASK_STATE_SCHEDULED || before == v1::TASK_STATE_RUNNING ||
             (retried && (before == v1::TASK_STATE_FAILED || before == v1::TASK_STATE_CANCELLED));
    case v1::TASK_STATE_RUNNING:
      return before == v1::TASK_STATE_QUEUED;
    case v1::TASK_STATE_SUCCEEDED:
    case v1::TASK_STATE_FAILED:
      return before == v1::TASK_STATE_RUNNING;
    case v1::TASK_STATE_CANCELLED:
      return !IsTerminal(before) && before != v1::TASK_STATE_UNSPECIFIED;
    default:
      return false;
  }
}

std::string Text(const google::protobuf::Message& message) { return message.ShortDebugString(); }

}  // namespace

AcknowledgedTask::AcknowledgedTask(v1::CreateTaskRequest request, ScriptKind kind, int64_t position)
    : request_(std::move(request)), kind_(kind), position_(position) {
  if (!request_.task_id().empty()) name_ = absl::StrCat(request_.parent(), "/tasks/", request_.task_id());
}

std::string AcknowledgedTask::Describe() const {
  std::string known = absl::StrCat(
      "task '", name_, "', submission ", request_.task().lua().text(), created_ ? "" : ", not acknowledged",
      delete_open_ ? ", delete open" : "", cancel_begun_ ? ", cancel asked" : "",
      cancelled_ ? ", cancelled" : "", retry_open_ ? ", retry open" : "", retried_ ? ", retried" : "",
      ", attempts ", attempt_count_, ", ended etag '", ended_etag_, "', ", events_.size(), " events");
  if (!events_.empty()) absl::StrAppend(&known, ", the last: ", Text(events_.back()));
  if (latest_.has_value()) absl::StrAppend(&known, "\n  last seen as ", Text(*latest_));
  return known;
}

void AcknowledgedTask::Fail(const std::string& expected, const std::string& there) const {
  ADD_FAILURE() << Describe() << "\n  expected: " << expected << "\n  there is: " << there;
}

void AcknowledgedTask::Cancelled(const v1::Task& answer) {
  SeeBasic(answer);
  cancelled_ = true;
}

void AcknowledgedTask::Retried(const v1::Task& answer) {
  StartsAfresh();
  SeeBasic(answer);
}

void AcknowledgedTask::StartsAfresh() {
  retry_open_ = false;
  retried_ = true;
  cancel_begun_ = false;
  cancelled_ = false;
  ended_etag_.clear();
  end_.reset();
}

void AcknowledgedTask::SeeBasic(const v1::Task& task) {
  if (name_.empty()) name_ = task.name();
  if (uid_.empty()) uid_ = task.uid();
  if (task.name() != name_ || task.uid() != uid_) {
    return Fail(absl::StrCat("name '", name_, "', uid '", uid_, "'"), Text(task));
  }
  created_ = true;
  delete_open_ = false;  // It was not carried out.
  if (retry_open_ && task.etag() != ended_etag_) StartsAfresh();
  retry_open_ = false;
  if (ended() && task.etag() != ended_etag_) Fail("nothing changes once it has ended", Text(task));
  if (task.attempt_count() < attempt_count_) Fail("attempts are counted up", Text(task));
  if (cancelled_ && task.attempt_count() > attempt_count_) Fail("no attempt after its cancel", Text(task));
  attempt_count_ = task.attempt_count();
  if (IsTerminal(task.state())) ended_etag_ = task.etag();
}

void AcknowledgedTask::See(const v1::Task& task) {
  SeeBasic(task);
  CheckAttempts(task);
  if (latest_.has_value() && latest_->etag() == task.etag() && !MessageDifferencer::Equals(*latest_, task)) {
    Fail("the same task under the same etag", Text(task));
  }
  if (IsTerminal(task.state())) SeeEnd(task);
  latest_ = task;
}

void AcknowledgedTask::SeeEnd(const v1::Task& task) {
  if (!end_.has_value()) CheckOutcome(task);
  end_ = task;
  if (events_.empty() || retried_) return;
  const v1::TaskEvent& last = events_.back();
  if (!IsTerminal(last.state().state())) return;
  if (last.state().state() != task.state() || last.attempt() != task.attempt_count() ||
      !MessageDifferencer::Equals(last.state().result(), task.result())) {
    Fail("as its last event says", Text(task));
  }
}

void AcknowledgedTask::CheckAttempts(const v1::Task& task) const {
  if (task.attempts_size() != task.attempt_count()) Fail("as many attempts as are counted", Text(task));
  for (int i = 0; i < task.attempts_size(); ++i) {
    const v1::Attempt& attempt = task.attempts(i);
    if (attempt.number() != i + 1) Fail("attempts 1, 2, 3 ...", Text(task));
    const bool last = i + 1 == task.attempts_size();
    if (attempt.has_end_time() == (last && task.state() == v1::TASK_STATE_RUNNING)) {
      Fail("an attempt has an end unless it runs", Text(task));
    }
    if (attempt.has_error()) {
      const std::string reason = ReasonOf(attempt.error());
      if (reason != "LUA_ERROR" && reason != "SERVER_ENDED" && reason != "CANCELLED") {
        Fail("no attempt fails but by itself, by a kill or by a cancel", Text(task));
      }
    }
    if (!latest_.has_value() || i >= latest_->attempts_size() || !latest_->attempts(i).has_end_time())
      continue;
    if (!MessageDifferencer::Equals(latest_->attempts(i), attempt)) {
      Fail("an attempt that has ended does not change", Text(task));
    }
  }
  // RetryTask asks for an attempt at once.
  if (!retried_ && request_.task().has_schedule_time() && task.attempts_size() > 0 &&
      TimeOf(task.attempts(0).start_time()) < TimeOf(request_.task().schedule_time())) {
    Fail(absl::StrCat("no start before ", Text(request_.task().schedule_time())), Text(task));
  }
}

void AcknowledgedTask::CheckOutcome(const v1::Task& task) const {
  int own_failures = 0;
  for (const v1::Attempt& attempt : task.attempts()) {
    if (attempt.has_error() && ReasonOf(attempt.error()) == "LUA_ERROR") ++own_failures;
  }
  const int max_attempts = std::max(1, request_.task().retry_policy().max_attempts());
  switch (task.state()) {
    case v1::TASK_STATE_SUCCEEDED:
      if (kind_ == ScriptKind::kFails) Fail("a script that fails does not succeed", Text(task));
      if (task.result().data() != ResultOf(name_, task.attempt_count())) {
        Fail(absl::StrCat("result '", ResultOf(name_, task.attempt_count()), "'"), Text(task));
      }
      break;
    case v1::TASK_STATE_FAILED:
      if (retried_) break;
      if (ReasonOf(task.error()) == "SERVER_ENDED") {
        if (task.attempt_count() < kMaxInterrupted) Fail("it runs again after a kill", Text(task));
      } else if (kind_ != ScriptKind::kFails && kind_ != ScriptKind::kRecovers) {
        Fail("a script that succeeds does not fail", Text(task));
      } else if (task.attempt_count() < max_attempts) {
        Fail(absl::StrCat(max_attempts, " attempts before it is given up"), Text(task));
      }
      break;
    case v1::TASK_STATE_CANCELLED:
      if (!cancel_begun_) Fail("nobody has cancelled it", Text(task));
      break;
    default:
      Fail("one of the ends that it can have", Text(task));
  }
  if (!retried_ && own_failures > max_attempts) {
    Fail(absl::StrCat("at most ", max_attempts, " attempts that fail by themselves"), Text(task));
  }
}

void AcknowledgedTask::See(const v1::TaskEvent& event) {
  const size_t known = events_.size();
  const size_t index = static_cast<size_t>(event.sequence()) - 1;
  if (event.sequence() < 1 || index > known) return Fail(absl::StrCat("event ", known + 1), Text(event));
  if (index < known) {
    if (!MessageDifferencer::Equals(events_[index], event)) {
      Fail(absl::StrCat("the event seen before, ", Text(events_[index])), Text(event));
    }
    return;
  }
  if (name_.empty()) name_ = event.task();
  if (event.task() != name_) Fail("an event of this task", Text(event));
  created_ = true;
  v1::TaskState state = v1::TASK_STATE_UNSPECIFIED;
  int32_t attempt = 0;
  for (auto before = events_.rbegin(); before != events_.rend() && state == 0; ++before) {
    state = before->state().state();
    attempt = before->attempt();
  }
  if (event.has_state()) {
    if (!MayFollow(state, event.state().state(), retried_ || retry_open_)) {
      Fail(absl::StrCat("a state that may follow on ", v1::TaskState_Name(state)), Text(event));
    }
    if (event.state().state() == v1::TASK_STATE_RUNNING) ++attempt;
  } else if (state != v1::TASK_STATE_RUNNING) {
    Fail("no reports but of a running attempt", Text(event));
  }
  if (event.attempt() != attempt) Fail(absl::StrCat("attempt ", attempt), Text(event));
  events_.push_back(event);
}

void AcknowledgedTask::CheckAllEvents() const {
  if (!end_.has_value() || events_.empty()) return Fail("its end, and its events", "neither");
  const v1::TaskEvent& last = events_.back();
  if (last.state().state() != end_->state() || last.attempt() != end_->attempt_count() ||
      !MessageDifferencer::Equals(last.state().result(), end_->result())) {
    Fail(absl::StrCat("as its last event says, ", Text(last)), Text(*end_));
  }
  int runs = 0;
  bool logged = false;
  for (const v1::TaskEvent& event : events_) {
    if (event.state().state() == v1::TASK_STATE_RUNNING) ++runs;
    logged |= event.log().message() == absl::StrCat(name_, "#", end_->attempt_count());
  }
  if (runs != end_->attempt_count()) Fail(absl::StrCat(runs, " attempts, as its events say"), Text(*end_));
  if (kind_ == ScriptKind::kReports && end_->state() == v1::TASK_STATE_SUCCEEDED) {
    if (!logged || end_->progress().completed() != 3) Fail("its log line and its progress", Text(*end_));
  }
}

}  // namespace errand
