#include "server/store/memory/record.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/task/duration.h"

namespace errand::store {

Record::Record(TaskSpec task_spec, uint64_t task_order, Queue* task_queue)
    : spec(std::move(task_spec)),
      order(task_order),
      queue(task_queue),
      bytes(static_cast<int64_t>(spec->ByteSizeLong())) {}

void Record::Enter(v1::TaskState state, absl::Time now) {
  output.set_state(state);
  ++revision;
  auto event = std::make_shared<v1::TaskEvent>();
  v1::StateChange& change = *event->mutable_state();
  change.set_state(state);
  if (output.has_error()) *change.mutable_error() = output.error();
  if (output.has_result() && state != v1::TASK_STATE_RUNNING) *change.mutable_result() = output.result();
  if (output.has_usage() && state != v1::TASK_STATE_RUNNING) *change.mutable_usage() = output.usage();
  if (state == v1::TASK_STATE_SCHEDULED) *change.mutable_schedule_time() = task::ToProto(alarm);
  Add(std::move(event), now);
}

void Record::AddReport(v1::TaskEvent event, absl::Time now, size_t max_events) {
  if (event.has_progress()) {
    *output.mutable_progress() = event.progress();
    ++revision;
    const bool replaces = events.size() > dropped && events.back()->has_progress() &&
                          events.back()->attempt() == output.attempt_count() &&
                          latest_sequence() > read_sequence;
    if (replaces) {
      events.pop_back();
      --next_sequence;
    }
  }
  Add(std::make_shared<v1::TaskEvent>(std::move(event)), now);
  if (events.size() - dropped > max_events) events[dropped++].reset();
  if (dropped > max_events) {
    events.erase(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(dropped));
    dropped = 0;
  }
}

void Record::Add(std::shared_ptr<v1::TaskEvent> event, absl::Time now) {
  event->set_sequence(next_sequence++);
  event->set_task(name());
  event->set_attempt(output.attempt_count());
  *event->mutable_event_time() = task::ToProto(now);
  events.push_back(std::move(event));
}

EventBatch Record::EventsAfter(int64_t sequence, int max_events) {
  EventBatch batch;
  const auto first =
      events.begin() + static_cast<std::ptrdiff_t>(dropped) + (sequence + 1 - oldest_sequence());
  const auto last = first + std::min<int64_t>(max_events, events.end() - first);
  batch.events.assign(first, last);
  batch.ended = ended() && last == events.end();
  if (!batch.events.empty()) read_sequence = std::max(read_sequence, batch.events.back()->sequence());
  return batch;
}

std::string Record::Etag() const { return absl::StrCat(absl::Hex(order), "-", revision); }

v1::Task Record::View(v1::TaskView view) const {
  v1::Task task;
  if (view == v1::TASK_VIEW_FULL) {
    task = *spec;
  } else {
    task.set_name(spec->name());
    task.set_uid(spec->uid());
    if (spec->has_lua()) task.mutable_lua();
    if (spec->has_email()) task.mutable_email();
    task.set_priority(spec->priority());
    *task.mutable_labels() = spec->labels();
    if (spec->has_schedule_time()) *task.mutable_schedule_time() = spec->schedule_time();
    *task.mutable_run_timeout() = spec->run_timeout();
    if (spec->has_retry_policy()) *task.mutable_retry_policy() = spec->retry_policy();
    *task.mutable_limits() = spec->limits();
    task.set_durability(spec->durability());
  }
  task.set_state(output.state());
  task.set_attempt_count(output.attempt_count());
  if (output.has_progress()) *task.mutable_progress() = output.progress();
  if (output.has_result() && view == v1::TASK_VIEW_FULL) *task.mutable_result() = output.result();
  if (output.has_error()) *task.mutable_error() = output.error();
  if (output.has_usage()) *task.mutable_usage() = output.usage();
  *task.mutable_create_time() = output.create_time();
  if (output.has_start_time()) *task.mutable_start_time() = output.start_time();
  if (output.has_end_time()) *task.mutable_end_time() = output.end_time();
  task.set_etag(Etag());
  return task;
}

}  // namespace errand::store
