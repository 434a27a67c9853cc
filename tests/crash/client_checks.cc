// What a client compares after a kill, and when all its tasks have ended.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/crash/client.h"
#include "tests/end_to_end/calls.h"

namespace errand {

// Each stops where something does not fit: what follows would only be longer.
void Client::Check(const Listing& listing) {
  CheckTasks(listing);
  CheckTraces(listing);
  CheckDeleted();
  CheckQueue();
  CheckEvents();
}

void Client::CheckTasks(const Listing& listing) {
  std::map<int64_t, const v1::Task*> there;
  for (const v1::Task& task : listing.tasks) {
    if (testing::Test::HasFailure()) return;
    const int64_t submission = std::stoll(task.labels().at("submission"));
    const auto [first, is_new] = there.emplace(submission, &task);
    EXPECT_TRUE(is_new) << "one submission, two tasks: " << first->second->ShortDebugString() << "\n and "
                        << task.ShortDebugString();
    const auto known = tasks_.find(submission);
    if (known != tasks_.end()) {
      See(known->second, task);
    } else {
      ADD_FAILURE() << "expected: deleted, or never submitted\n  there is: " << task.ShortDebugString();
    }
  }
  for (const std::vector<int64_t>& batch : open_batches_) {
    const auto created =
        std::count_if(batch.begin(), batch.end(), [&](int64_t one) { return there.count(one) > 0; });
    EXPECT_TRUE(created == 0 || created == static_cast<int64_t>(batch.size()))
        << "a batch of " << batch.size() << " from " << SubmissionId(batch[0])
        << "\n  expected: all or none\n  there is: " << created;
  }
  open_batches_.clear();
  for (auto task = tasks_.begin(); task != tasks_.end() && !testing::Test::HasFailure();) {
    if (there.count(task->first) > 0) {
      ++task;
    } else if (task->second.delete_open()) {
      task = Forget(task);
    } else if (task->second.created()) {
      ADD_FAILURE() << task->second.Describe() << "\n  expected: it is there\n  there is: nothing";
      task = tasks_.erase(task);
    } else if (!task->second.request().request_id().empty()) {
      task->second.SubmitAgain(next_position_++);
      if (CallCreate(task->second)) ++tally_.sent_again;
      ++task;
    } else {
      task = tasks_.erase(task);
    }
  }
  // Those that the listing has brought to light are known by their request id as well.
  for (auto& [submission, task] : tasks_) {
    if (task.request().request_id().empty() || Random(8) > 0) continue;
    if (CallCreate(task)) ++tally_.sent_again;
  }
}

void Client::CheckTraces(const Listing& listing) const {
  for (const auto& [submission, task] : tasks_) {
    const auto trace = listing.traces.find(SubmissionId(submission));
    if (trace == listing.traces.end() || !task.end().has_value()) continue;
    EXPECT_LE(trace->second, task.end()->attempt_count())
        << "it has ended, and ran again: " << task.Describe();
  }
}

void Client::CheckDeleted() {
  for (const AcknowledgedTask& task : deleted_) {
    if (testing::Test::HasFailure()) return;
    v1::Task answer;
    grpc::Status status = Get(*tasks_stub_, task.name(), &answer);
    if (!Answered(status)) return;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND)
        << task.Describe() << "\n  expected: deleted\n  there is: " << answer.ShortDebugString();
    if (task.request().request_id().empty()) continue;
    status = Create(*tasks_stub_, task.request(), &answer);
    if (!Answered(status)) return;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS)
        << task.Describe() << "\n  expected: its request is known\n  there is: " << answer.ShortDebugString();
  }
  deleted_.clear();
}

void Client::CheckQueue() {
  if (queue_.known().etag().empty()) {
    // The first life: every queue has settings from then on.
    v1::Queue wanted = queue_.known();
    wanted.set_state(v1::QUEUE_STATE_RUNNING);
    wanted.set_max_running(2);
    wanted.set_weight(1);
    return CallUpdateQueue(std::move(wanted));
  }
  v1::GetQueueRequest request;
  request.set_name(queue_.name());
  v1::GetQueueResponse response;
  const grpc::Status status = Call(*queues_stub_, &v1::Queues::Stub::GetQueue, request, &response);
  if (Accepted(status, "GetQueue", queue_.name())) queue_.See(response.queue());
}

void Client::CheckEvents() {
  for (auto& [submission, task] : tasks_) {
    const int64_t seen = static_cast<int64_t>(task.events().size());
    if (testing::Test::HasFailure()) return;
    if (seen == 0) continue;
    EXPECT_TRUE(ReadEvents(task, 0, seen, absl::Seconds(60)))
        << task.Describe() << "\n  expected: events up to " << seen;
  }
}

void Client::Settle() {
  if (queue_.paused()) CallSetPaused(false);
  for (auto& [submission, task] : tasks_) {
    v1::Task answer;
    const grpc::Status status = errand::Wait(*tasks_stub_, task.name(), 30'000, &answer);
    if (!Accepted(status, "WaitTask", task)) continue;
    See(task, answer);
    if (!task.ended()) {
      ADD_FAILURE() << "it never ends: " << task.Describe();
      return;
    }
    if (!ReadEvents(task, 0, INT64_MAX, absl::Seconds(60))) continue;
    task.CheckAllEvents();
  }
}

std::vector<TaskRuns> Client::TakeRuns() {
  std::vector<TaskRuns> runs = std::exchange(runs_, {});
  for (const auto& [submission, task] : tasks_) {
    if (task.end().has_value()) runs.emplace_back(task, number_);
  }
  return runs;
}

void Client::DeleteMost() {
  for (auto task = tasks_.begin(); task != tasks_.end();) {
    const auto next = std::next(task);
    // Those that have left a trace go with it.
    if (task->second.kind() == ScriptKind::kSubmits || Random(5) > 0) CallDelete(task, false);
    task = next;
  }
  runs_.clear();
}

}  // namespace errand
