#include "errand/follower.h"

#include "errand/cancellable_context.h"
#include "errand/error.h"
#include "errand/kept_range.h"
#include "errand/state.h"
#include "errand/whole_task.h"

namespace errand {

absl::StatusOr<v1::StateChange> Follower::Run(const v1::RunTaskRequest& request) { return Follow(&request); }

absl::StatusOr<v1::StateChange> Follower::Watch(const v1::WatchTaskRequest& request) {
  task_ = request.name();
  last_sequence_ = request.after_sequence();
  return Follow(nullptr);
}

absl::StatusOr<v1::StateChange> Follower::Follow(const v1::RunTaskRequest* run) {
  absl::Status status = retry_.Check();
  while (status.ok()) {
    const bool watches = run == nullptr || !task_.empty();
    const int64_t seen = last_sequence_;
    status = watches ? ReadWatch() : ReadRun(*run);
    if (last_sequence_ != seen) retry_.Succeeded();
    // A stream that starts after the last event of an ended task is empty.
    if (status.ok() && !end_ && watches && last_sequence_ == seen) status = LookUpEnd();
    // The terminal event counts, whatever happened to the stream behind it.
    if (end_) return *end_;
    if (status.ok()) status = absl::UnavailableError("the stream ended before the task did");
    status = PassGap(status) ? retry_.Check() : retry_.Next(status);
  }
  return status;
}

bool Follower::PassGap(const absl::Status& error) {
  const std::optional<KeptRange> kept = FindKeptRange(error, "sequence");
  // Before the first event there is no task to watch; and what lies ahead of the task was never lost.
  if (!kept || !on_gap_ || task_.empty() || kept->oldest <= last_sequence_ + 1) return false;
  on_gap_({last_sequence_, kept->oldest - last_sequence_ - 1});
  last_sequence_ = kept->oldest - 1;
  return true;
}

absl::Status Follower::ReadRun(const v1::RunTaskRequest& request) {
  CancellableContext context(retry_.cancellation(), retry_.deadline());
  return Read(*stub_.RunTask(context.get(), request));
}

absl::Status Follower::ReadWatch() {
  v1::WatchTaskRequest request;
  request.set_name(task_);
  request.set_after_sequence(last_sequence_);
  CancellableContext context(retry_.cancellation(), retry_.deadline());
  return Read(*stub_.WatchTask(context.get(), request));
}

template <class Response>
absl::Status Follower::Read(grpc::ClientReaderInterface<Response>& reader) {
  Response response;
  while (reader.Read(&response)) {
    for (v1::TaskEvent& event : *response.mutable_events()) {
      absl::Status status = Take(event);
      if (!status.ok()) return status;
    }
  }
  return FromGrpc(reader.Finish());
}

absl::Status Follower::Take(v1::TaskEvent& event) {
  // A repeated RunTask starts with the first event again.
  if (event.sequence() <= last_sequence_) return absl::OkStatus();
  if (event.state().result_left_out() && HasEnded(event.state().state())) {
    absl::StatusOr<v1::TaskResult> result = ReadWholeResult(stub_, event.task(), retry_);
    if (!result.ok()) return result.status();
    *event.mutable_state()->mutable_result() = *std::move(result);
    event.mutable_state()->clear_result_left_out();
  }
  task_ = event.task();
  last_sequence_ = event.sequence();
  if (event.has_state() && HasEnded(event.state().state())) end_ = event.state();
  on_event_(event);
  return absl::OkStatus();
}

absl::Status Follower::LookUpEnd() {
  const absl::StatusOr<v1::Task> found = ReadWholeTask(stub_, task_, retry_);
  if (!found.ok()) return found.status();
  const v1::Task& task = *found;
  if (!HasEnded(task.state())) return absl::OkStatus();
  v1::StateChange& end = end_.emplace();
  end.set_state(task.state());
  if (task.has_error()) *end.mutable_error() = task.error();
  if (task.has_result()) *end.mutable_result() = task.result();
  if (task.has_usage()) *end.mutable_usage() = task.usage();
  return absl::OkStatus();
}

}  // namespace errand
