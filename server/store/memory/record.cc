#include "server/store/memory/record.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/store/memory/changes.pb.h"
#include "server/store/memory/queue.h"
#include "server/task/duration.h"
#include "server/task/name.h"

namespace errand::store {
namespace {

constexpr int kMaxAttemptsKept = 100;

}  // namespace

v1::Task Snapshot::Complete() && {
  UnpackBody(body, kind, view, task);
  return std::move(task);
}

Record::Record(const Text& text, uint64_t task_order, Queue* task_queue, absl::Time now)
    : order(task_order),
      queue(task_queue),
      create_nanos(absl::ToUnixNanos(now)),
      key_size(static_cast<uint16_t>(text.ordering_key.size())),
      id_size(static_cast<uint8_t>(text.id.size())),
      kind(task::HandlerKind::kLua) {
  char* const end = std::copy(text.id.begin(), text.id.end(), this->text());
  std::copy(text.ordering_key.begin(), text.ordering_key.end(), end);
}

std::unique_ptr<Record> Record::Make(v1::Task& task, uint64_t order, Queue* queue, absl::Time now) {
  const Text text{IdOf(task.name()), task.ordering_key()};
  std::unique_ptr<Record> record(new (text) Record(text, order, queue, now));
  record->kind = task::KindOf(task);
  record->priority = static_cast<uint8_t>(task.priority());
  if (task.has_expire_time()) record->Grown().expires = task::FromProto(task.expire_time());
  Body packed = PackBody(task);
  record->body = std::move(packed.bytes);
  record->body_size = packed.size;
  return record;
}

std::unique_ptr<Record> Record::Make(const TaskAdded& added, Queue* queue) {
  const Text text{IdOf(added.name()), added.ordering_key()};
  std::unique_ptr<Record> record(
      new (text) Record(text, added.order(), queue, absl::FromUnixNanos(added.create_time())));
  record->kind = added.email() ? task::HandlerKind::kEmail : task::HandlerKind::kLua;
  record->priority = static_cast<uint8_t>(added.priority());
  if (added.expire_time() != 0) record->Grown().expires = absl::FromUnixNanos(added.expire_time());
  record->body_size = added.body_bytes();
  if (added.has_past()) {
    record->Restore(added.first(), added.past());
  } else {
    record->Replay(added.first());
  }
  return record;
}

std::string Record::name() const { return task::TaskName(queue->name, id()); }

int64_t Record::bytes() const { return static_cast<int64_t>(queue->name.size()) + id_size + body_size; }

int64_t Record::oldest_sequence() const {
  if (history == nullptr) return 1;
  return history->next_sequence - static_cast<int64_t>(history->events.size() - history->dropped);
}

TaskSpec Record::Spec() const {
  auto task = std::make_shared<v1::Task>();
  task->set_name(name());
  UnpackBody(body_view(), kind, v1::TASK_VIEW_FULL, *task);
  return task;
}

Snapshot Record::View(v1::TaskView view) const {
  Snapshot snapshot;
  snapshot.kind = kind;
  snapshot.view = view;
  snapshot.task.set_name(name());
  AddOutput(view, snapshot.task);
  if (body != nullptr) snapshot.body = std::string(body_view());
  return snapshot;
}

void Record::AddOutput(v1::TaskView view, v1::Task& task) const {
  task.set_state(state);
  *task.mutable_create_time() = task::ToProto(create_time());
  task.set_etag(Etag());
  if (history == nullptr) return;
  const v1::Task& output = history->output;
  task.set_attempt_count(output.attempt_count());
  if (output.has_progress()) *task.mutable_progress() = output.progress();
  if (output.has_error()) *task.mutable_error() = output.error();
  if (output.has_usage()) *task.mutable_usage() = output.usage();
  if (output.has_start_time()) *task.mutable_start_time() = output.start_time();
  if (output.has_end_time()) *task.mutable_end_time() = output.end_time();
  if (view != v1::TASK_VIEW_FULL) return;
  if (output.has_result()) *task.mutable_result() = output.result();
  *task.mutable_attempts() = output.attempts();
}

std::string Record::Etag() const { return absl::StrCat(absl::Hex(order), "-", revision); }

void Record::StartAttempt(const std::string& worker, absl::Time now) {
  v1::Task& output = Grown().output;
  output.set_attempt_count(output.attempt_count() + 1);
  ++history->tries;
  *output.mutable_start_time() = task::ToProto(now);
  output.clear_progress();
  v1::Attempt& attempt = *AddAttempt();
  attempt.set_number(output.attempt_count());
  attempt.set_worker(worker);
  *attempt.mutable_start_time() = output.start_time();
  history->expires = absl::InfiniteFuture();
}

v1::Attempt* Record::AddAttempt() {
  v1::Task& output = history->output;
  if (output.attempts_size() >= kMaxAttemptsKept) output.mutable_attempts()->DeleteSubrange(0, 1);
  return output.add_attempts();
}

void Record::EndAttempt(const google::rpc::Status& error, const v1::Usage* usage, absl::Time now) {
  v1::Attempt& attempt = *history->output.mutable_attempts()->rbegin();
  *attempt.mutable_end_time() = task::ToProto(now);
  if (error.code() != 0) *attempt.mutable_error() = error;
  if (usage != nullptr) *attempt.mutable_usage() = *usage;
}

History& Record::Grown() {
  if (history != nullptr) return *history;
  history = std::make_unique<History>();
  history->queued_time = create_time();
  // What a task without history has gone through. It is no news for those who watch the queue.
  if (state == v1::TASK_STATE_QUEUED) AddPlain(create_time());
  return *history;
}

void Record::Enter(v1::TaskState new_state, absl::Time now, absl::Time due) {
  const bool created = state == v1::TASK_STATE_UNSPECIFIED;
  // Only a queue that is watched needs the first event of a task now.
  const bool implied =
      created && new_state == v1::TASK_STATE_QUEUED && queue->log == nullptr && history == nullptr;
  if (!implied) Grown();
  queue->Moved(state, new_state);
  state = new_state;
  ++revision;
  if (implied) return;
  const v1::Task& output = history->output;
  const bool attempted = state != v1::TASK_STATE_RUNNING && (output.has_result() || output.has_usage());
  if (queue->log == nullptr && !output.has_error() && !attempted && state != v1::TASK_STATE_SCHEDULED) {
    AddPlain(now);
    return;
  }
  auto event = std::make_shared<v1::TaskEvent>();
  v1::StateChange& change = *event->mutable_state();
  change.set_state(state);
  if (output.has_error()) *change.mutable_error() = output.error();
  if (output.has_result() && attempted) *change.mutable_result() = output.result();
  if (output.has_usage() && attempted) *change.mutable_usage() = output.usage();
  if (state == v1::TASK_STATE_SCHEDULED) *change.mutable_schedule_time() = task::ToProto(due);
  Add(std::move(event), now);
}

bool Record::Replaces(const v1::TaskEvent& event) const {
  if (!event.has_progress() || history == nullptr) return false;
  const auto& events = history->events;
  const v1::TaskEvent* const last = events.size() > history->dropped ? events.back().made.get() : nullptr;
  return last != nullptr && last->has_progress() && last->attempt() == history->output.attempt_count() &&
         latest_sequence() > history->read_sequence &&
         (queue->log == nullptr || !queue->log->HasBeenRead(history->log_position));
}

void Record::AddReport(v1::TaskEvent event, bool replaces, absl::Time now, size_t max_events) {
  History& past = Grown();
  auto& events = past.events;
  if (event.has_progress()) {
    *past.output.mutable_progress() = event.progress();
    ++revision;
  }
  if (replaces) {
    events.pop_back();
    --past.next_sequence;
    if (queue->log != nullptr && past.log_position != 0) queue->log->Drop(past.log_position);
  }
  Add(std::make_shared<v1::TaskEvent>(std::move(event)), now);
  if (events.size() - past.dropped > max_events) events[past.dropped++] = {};
  if (past.dropped > max_events) {
    events.erase(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(past.dropped));
    past.dropped = 0;
  }
}

void Record::Replay(const TaskMoved& moved) {
  const absl::Time time = absl::FromUnixNanos(moved.time());
  position = moved.position();
  if (moved.key_position() != 0 || history != nullptr) Grown().key_position = moved.key_position();
  if (moved.never_expires() && history != nullptr) history->expires = absl::InfiniteFuture();
  if (moved.state() == v1::TASK_STATE_QUEUED && history != nullptr) history->queued_time = time;
  // The first state of a task has no history.
  if (state != v1::TASK_STATE_UNSPECIFIED) {
    History& past = Grown();
    v1::Task& output = past.output;
    past.tries = moved.tries();
    past.lease_token = moved.lease_token();
    past.cancel_requested = false;
    if (moved.has_attempt()) {
      v1::Attempt* attempt = output.attempts().empty() ? nullptr : &*output.mutable_attempts()->rbegin();
      if (attempt == nullptr || attempt->number() != moved.attempt().number()) attempt = AddAttempt();
      *attempt = moved.attempt();
      *output.mutable_start_time() = moved.attempt().start_time();
    }
    output.set_attempt_count(moved.attempt_count());
    output.clear_error();
    if (moved.has_error()) *output.mutable_error() = moved.error();
    output.clear_usage();
    if (moved.has_usage()) *output.mutable_usage() = moved.usage();
    if (moved.state() == v1::TASK_STATE_RUNNING) {
      output.clear_progress();
    } else {
      output.clear_result();
      if (moved.has_result()) *output.mutable_result() = moved.result();
    }
    output.clear_end_time();
    if (task::IsTerminal(moved.state())) *output.mutable_end_time() = task::ToProto(time);
  }
  Enter(moved.state(), time, absl::FromUnixNanos(moved.due()));
  revision = moved.revision();
}

void Record::Restore(const TaskMoved& present, const TaskPast& past) {
  queue->Moved(state, present.state());
  state = present.state();
  position = present.position();
  revision = present.revision();
  History& own = Grown();
  own.output = past.output();
  own.tries = past.tries();
  own.events.clear();
  for (const PastEvent& event : past.events()) {
    KeptEvent kept{nullptr, event.time(), event.attempt(), event.state()};
    if (event.has_event()) kept.made = std::make_shared<const v1::TaskEvent>(event.event());
    own.events.push_back(std::move(kept));
  }
  own.next_sequence = past.next_sequence();
  own.read_sequence = past.next_sequence() - 1;
  own.lease_token = past.lease_token();
  own.cancel_requested = past.cancel_requested();
  own.queued_time = absl::FromUnixNanos(present.time());
  if (present.never_expires()) own.expires = absl::InfiniteFuture();
  own.key_position = present.key_position();
}

void Record::DescribePast(TaskPast& past) const {
  *past.mutable_output() = history->output;
  for (size_t i = history->dropped; i < history->events.size(); ++i) {
    const KeptEvent& event = history->events[i];
    PastEvent& described = *past.add_events();
    if (event.made != nullptr) {
      *described.mutable_event() = *event.made;
    } else {
      described.set_time(event.unix_nanos);
      described.set_attempt(event.attempt);
      described.set_state(event.state);
    }
  }
  past.set_next_sequence(history->next_sequence);
  past.set_tries(history->tries);
  past.set_lease_token(history->lease_token);
  past.set_cancel_requested(history->cancel_requested);
}

void Record::Add(std::shared_ptr<v1::TaskEvent> event, absl::Time now) {
  event->set_sequence(history->next_sequence++);
  event->set_task(name());
  event->set_attempt(history->output.attempt_count());
  *event->mutable_event_time() = task::ToProto(now);
  history->log_position = queue->log != nullptr ? queue->log->Append(event) : 0;
  KeptEvent kept;
  kept.made = std::move(event);
  history->events.push_back(std::move(kept));
}

void Record::AddPlain(absl::Time now) {
  ++history->next_sequence;
  history->log_position = 0;
  history->events.push_back({nullptr, absl::ToUnixNanos(now), history->output.attempt_count(), state});
}

std::shared_ptr<const v1::TaskEvent> Record::Make(const KeptEvent& event, int64_t sequence) const {
  auto made = std::make_shared<v1::TaskEvent>();
  made->set_sequence(sequence);
  made->set_task(name());
  made->set_attempt(event.attempt);
  *made->mutable_event_time() = task::ToProto(absl::FromUnixNanos(event.unix_nanos));
  made->mutable_state()->set_state(event.state);
  return made;
}

EventBatch Record::EventsAfter(int64_t sequence, int max_events) {
  History& past = Grown();
  EventBatch batch;
  const auto first =
      past.events.begin() + static_cast<std::ptrdiff_t>(past.dropped) + (sequence + 1 - oldest_sequence());
  const auto last = first + std::min<int64_t>(max_events, past.events.end() - first);
  for (auto event = first; event != last; ++event) {
    if (event->made == nullptr) event->made = Make(*event, past.next_sequence - (past.events.end() - event));
    batch.events.push_back(event->made);
  }
  batch.ended = ended() && last == past.events.end();
  if (!batch.events.empty()) {
    past.read_sequence = std::max(past.read_sequence, batch.events.back()->sequence());
  }
  return batch;
}

}  // namespace errand::store
