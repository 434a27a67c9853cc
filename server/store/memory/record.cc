#include "server/store/memory/record.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <new>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "server/store/memory/changes.pb.h"
#include "server/store/memory/lineage.h"
#include "server/store/memory/queue.h"
#include "server/task/duration.h"
#include "server/task/name.h"

namespace errand::store {
namespace {

constexpr size_t kMaxAttemptsKept = 100;

// What a journal needs of an event that was reported, about. A state's is counted with the task's move.
int64_t LoggedBytes(const KeptEvent& event) {
  if (event.made == nullptr || event.made->has_state()) return 0;
  return static_cast<int64_t>(event.made->ByteSizeLong() + Journal::kOverhead);
}

// What a record takes in the store's tables: names, order of submission, place in line, of those that have
// ended.
constexpr int64_t kTableBytes = 128;

int64_t MemoryOfEvent(const KeptEvent& event) { return event.made == nullptr ? 0 : MemoryOf(*event.made); }

int64_t MemoryOfError(const std::shared_ptr<const google::rpc::Status>& error) {
  return error == nullptr ? 0 : MemoryOf(*error);
}

// The first of `count` events, up to `max_events`, and of more than one at most `max_bytes`. `ended`: all.
EventBatch TakeEvents(int64_t count, int max_events, int64_t max_bytes,
                      absl::FunctionRef<std::shared_ptr<const v1::TaskEvent>(int64_t)> event_at) {
  EventBatch batch;
  const int64_t limit = std::min<int64_t>(max_events, count);
  int64_t taken = 0;
  for (int64_t bytes = 0; taken < limit; ++taken) {
    std::shared_ptr<const v1::TaskEvent> event = event_at(taken);
    bytes += static_cast<int64_t>(event->ByteSizeLong());
    if (bytes > max_bytes && taken > 0) break;
    batch.events.push_back(std::move(event));
  }
  batch.ended = taken == count;
  return batch;
}

}  // namespace

v1::Task Snapshot::Complete() && {
  UnpackBody(body, kind, view, task);
  if (EndedPast stored; !past.empty() && stored.ParseFromString(past) && stored.events_size() > 0) {
    v1::StateChange& end = *stored.mutable_events()->rbegin()->mutable_state();
    if (end.has_result()) *task.mutable_result() = std::move(*end.mutable_result());
  }
  return std::move(task);
}

std::unique_ptr<Record> Record::New(const Rest& rest, uint64_t order, Queue* queue, absl::Time now) {
  static_assert(sizeof(Record) == 80, "rest_ is at the end, and what goes on from there follows it at once");
  void* const memory = ::operator new(sizeof(Record) + std::max(rest.size(), sizeof rest_) - sizeof rest_);
  return std::unique_ptr<Record>(new (memory) Record(rest, order, queue, now));
}

Record::Record(const Rest& what, uint64_t task_order, Queue* task_queue, absl::Time now)
    : order(task_order),
      queue(task_queue),
      create_nanos(absl::ToUnixNanos(now)),
      key_size(static_cast<uint16_t>(what.ordering_key.size())),
      id_size(static_cast<uint8_t>(what.id.size())),
      has_script(what.has_script) {
  char* const end = std::copy(what.id.begin(), what.id.end(), rest());
  std::copy(what.ordering_key.begin(), what.ordering_key.end(), end);
  if (has_script) set_script(nullptr);
}

std::unique_ptr<Record> Record::Make(v1::Task& task, uint64_t order, Queue* queue, absl::Time now) {
  const Rest rest{IdOf(task.name()), task.ordering_key(), task.lua().has_script()};
  std::unique_ptr<Record> record = New(rest, order, queue, now);
  record->kind = task::KindOf(task);
  record->priority = static_cast<uint8_t>(task.priority());
  if (task.has_expire_time()) record->Grown().expires = task::FromProto(task.expire_time());
  Body packed = PackBody(task);
  record->body = std::move(packed.bytes);
  record->body_size = packed.size;
  return record;
}

std::unique_ptr<Record> Record::Make(const TaskAdded& added, Queue* queue) {
  const Rest rest{IdOf(added.name()), added.ordering_key(), !added.script().empty()};
  std::unique_ptr<Record> record = New(rest, added.order(), queue, absl::FromUnixNanos(added.create_time()));
  record->kind = added.email() ? task::HandlerKind::kEmail : task::HandlerKind::kLua;
  record->priority = static_cast<uint8_t>(added.priority());
  if (added.expire_time() != 0) {
    record->Grown().expires = absl::FromUnixNanos(added.expire_time());
    // How much of it is left is found when the store has been read.
    if (added.expires_after_ttl()) record->Grown().ttl_end = clock::Instant();
  }
  record->body_size = added.body_bytes();
  if (added.has_past()) {
    record->Restore(added.first(), added.past());
  } else {
    record->Replay(added.first());
  }
  return record;
}

std::string Record::name() const { return task::TaskName(queue->name, id()); }

ScriptVersion* Record::script() const {
  ScriptVersion* version = nullptr;
  if (has_script) std::memcpy(&version, rest() + id_size + key_size, sizeof(void*));
  return version;
}

void Record::set_script(ScriptVersion* version) {
  std::memcpy(rest() + id_size + key_size, &version, sizeof(void*));
}

int64_t Record::bytes() const { return static_cast<int64_t>(queue->name.size()) + id_size + body_size; }

int64_t Record::MemoryBytes() const {
  auto bytes = static_cast<int64_t>(sizeof(Record)) + id_size + key_size + kTableBytes;
  if (body != nullptr) bytes += body_size;
  if (history == nullptr) return bytes;
  const Output& output = history->output;
  bytes += static_cast<int64_t>(sizeof(History) + history->events.capacity() * sizeof(KeptEvent) +
                                output.attempts.capacity() * sizeof(KeptAttempt) + output.result.capacity());
  bytes += history->event_bytes + MemoryOfError(output.error);
  for (const KeptAttempt& attempt : output.attempts) bytes += MemoryOfError(attempt.error);
  if (output.progress != nullptr) bytes += MemoryOf(*output.progress);
  if (history->lineage != nullptr) bytes += static_cast<int64_t>(sizeof(Lineage)) + kTableBytes;
  return bytes;
}

int64_t Record::oldest_sequence() const {
  if (history == nullptr) return 1;
  return history->next_sequence - static_cast<int64_t>(history->events.size() - history->dropped) -
         history->stored.events;
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
  if (history != nullptr) history->output.AddTo(view, task);
}

std::string Record::Etag() const { return absl::StrCat(absl::Hex(order), "-", revision); }

void Record::StartAttempt(const std::string& worker, absl::Time now) {
  Output& output = Grown().output;
  ++output.attempt_count;
  ++history->tries;
  output.progress = nullptr;
  KeptAttempt& attempt = AddAttempt();
  attempt.number = output.attempt_count;
  attempt.worker = &*queue->workers.insert(worker).first;
  attempt.start = NotBeforeLast(now);
  NeverExpires();
}

void Record::NeverExpires() {
  if (history == nullptr) return;
  history->expires = absl::InfiniteFuture();
  history->ttl_end = clock::Instant::InfiniteFuture();
}

absl::Time Record::NotBeforeLast(absl::Time time) const {
  if (history == nullptr || history->events.size() == history->dropped) return std::max(time, create_time());
  const KeptEvent& last = history->events.back();
  return std::max(time, last.made != nullptr ? task::FromProto(last.made->event_time())
                                             : absl::FromUnixNanos(last.unix_nanos));
}

KeptAttempt& Record::AddAttempt() {
  std::vector<KeptAttempt>& attempts = history->output.attempts;
  if (attempts.size() >= kMaxAttemptsKept) attempts.erase(attempts.begin());
  return attempts.emplace_back();
}

KeptAttempt Record::Keep(const v1::Attempt& attempt) const {
  KeptAttempt kept;
  kept.number = attempt.number();
  if (attempt.has_start_time()) kept.start = task::FromProto(attempt.start_time());
  if (attempt.has_end_time()) kept.end = task::FromProto(attempt.end_time());
  kept.worker = &*queue->workers.insert(attempt.worker()).first;
  kept.error = KeepError(attempt.error());
  if (attempt.has_usage()) kept.usage = KeptUsage(attempt.usage());
  return kept;
}

void Record::EndAttempt(std::shared_ptr<const google::rpc::Status> error, KeptUsage usage, absl::Time now) {
  KeptAttempt& attempt = history->output.attempts.back();
  attempt.end = NotBeforeLast(now);
  attempt.error = std::move(error);
  attempt.usage = usage;
}

History& Record::Grown() {
  if (history != nullptr) return *history;
  const int64_t counted = MemoryBytes();
  history = std::make_unique<History>();
  history->counted = counted;
  history->queued_time = create_time();
  // What a task without history has gone through. It is no news for those who watch the queue.
  if (state == v1::TASK_STATE_QUEUED) {
    ++history->next_sequence;
    history->events.push_back({nullptr, create_nanos, 0, state});
  }
  return *history;
}

void Record::Enter(v1::TaskState new_state, absl::Time now, absl::Time due) {
  const bool created = state == v1::TASK_STATE_UNSPECIFIED;
  // Only a queue that is watched needs the first event of a task now.
  const bool implied =
      created && new_state == v1::TASK_STATE_QUEUED && queue->log == nullptr && history == nullptr;
  if (!implied) Grown();
  KeepEnd();
  queue->Moved(state, new_state);
  state = new_state;
  ++revision;
  if (implied) return;
  const Output& output = history->output;
  // The end is told from the output, which stays as it is from now on.
  const bool tells_more =
      !ended() && (state == v1::TASK_STATE_SCHEDULED || output.error != nullptr ||
                   (state != v1::TASK_STATE_RUNNING && (!output.result.empty() || output.usage.has_value())));
  KeptEvent event{nullptr, absl::ToUnixNanos(NotBeforeLast(now)), output.attempt_count, state};
  std::shared_ptr<v1::TaskEvent> made;
  if (tells_more || queue->log != nullptr) made = Make(event, history->next_sequence);
  if (tells_more) {
    AddOutcome(*made->mutable_state());
    if (state == v1::TASK_STATE_SCHEDULED) {
      *made->mutable_state()->mutable_schedule_time() = task::ToProto(due);
    }
    event.made = made;
  }
  Add(std::move(event), std::move(made));
}

bool Record::Replaces(const v1::TaskEvent& event) const {
  if (!event.has_progress() || history == nullptr) return false;
  const auto& events = history->events;
  const v1::TaskEvent* const last = events.size() > history->dropped ? events.back().made.get() : nullptr;
  return last != nullptr && last->has_progress() && last->attempt() == history->output.attempt_count &&
         latest_sequence() > history->read_sequence &&
         (queue->log == nullptr || !queue->log->HasBeenRead(history->log_position));
}

int64_t Record::AddReport(v1::TaskEvent event, bool replaces, absl::Time now, size_t max_events,
                          int64_t max_bytes) {
  History& past = Grown();
  auto& events = past.events;
  int64_t bytes = 0;
  if (event.has_progress()) {
    past.output.progress = std::make_unique<v1::Progress>(event.progress());
    ++revision;
  }
  if (replaces) {
    bytes -= LoggedBytes(events.back());
    past.event_bytes -= MemoryOfEvent(events.back());
    events.pop_back();
    --past.next_sequence;
    if (queue->log != nullptr && past.log_position != 0) queue->log->Drop(past.log_position);
  }
  Stamp(event, past.next_sequence, past.output.attempt_count, NotBeforeLast(now));
  const auto made = std::make_shared<const v1::TaskEvent>(std::move(event));
  Add({made}, made);
  bytes += LoggedBytes(events.back());
  return bytes - TrimEvents(max_events, max_bytes);
}

int64_t Record::TrimEvents(size_t max_events, int64_t max_bytes) {
  auto& events = history->events;
  size_t& dropped = history->dropped;
  int64_t bytes = 0;
  while (events.size() - dropped > max_events ||
         (history->event_bytes > max_bytes && events.size() - dropped > 1)) {
    bytes += LoggedBytes(events[dropped]);
    DropOldestEvent();
  }
  if (dropped > max_events) {
    events.erase(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(dropped));
    dropped = 0;
  }
  return bytes;
}

int64_t Record::PastBytes() const {
  return history->event_bytes + static_cast<int64_t>(history->output.result.size());
}

std::string Record::PackPast() const {
  EndedPast past;
  const size_t size = history->events.size();
  for (size_t i = history->dropped; i < size; ++i) {
    const KeptEvent& event = history->events[i];
    *past.add_events() = event.made != nullptr
                             ? *event.made
                             : *Make(event, history->next_sequence - static_cast<int64_t>(size - i));
  }
  return past.SerializeAsString();
}

int64_t Record::DropPast(uint32_t packed_bytes) {
  int64_t bytes = 0;
  for (const KeptEvent& event : history->events) bytes += LoggedBytes(event);
  history->stored.bytes = packed_bytes;
  history->stored.events = static_cast<uint32_t>(latest_sequence() - oldest_sequence() + 1);
  history->events = std::vector<KeptEvent>();
  history->dropped = 0;
  history->event_bytes = 0;
  std::string().swap(history->output.result);  // An assignment would keep the memory.
  return bytes;
}

void Record::EndIsKept() {
  if (is_stored() || history->events.size() > history->dropped) return;
  history->events.push_back(
      {nullptr, absl::ToUnixNanos(history->output.end.get()), history->output.attempt_count, state});
}

void Record::RestorePast(EndedPast past) {
  std::vector<KeptEvent> events;
  events.reserve(static_cast<size_t>(past.events_size()) + history->events.size() - history->dropped);
  for (v1::TaskEvent& event : *past.mutable_events()) {
    events.push_back({std::make_shared<const v1::TaskEvent>(std::move(event))});
    history->event_bytes += MemoryOfEvent(events.back());
  }
  const bool is_present = history->events.empty();
  if (is_present && !events.empty() && events.back().made->state().has_result()) {
    history->output.result = events.back().made->state().result().SerializeAsString();
  }
  std::move(history->events.begin() + static_cast<std::ptrdiff_t>(history->dropped), history->events.end(),
            std::back_inserter(events));
  history->events = std::move(events);
  history->dropped = 0;
  history->stored = {};
}

void Record::DropOldestEvent() {
  KeptEvent& oldest = history->events[history->dropped++];
  history->event_bytes -= MemoryOfEvent(oldest);
  oldest = {};
}

void Record::Replay(const TaskMoved& moved) {
  const absl::Time time = absl::FromUnixNanos(moved.time());
  KeepEnd();
  position = moved.position();
  if (moved.key_position() != 0 || history != nullptr) Grown().key_position = moved.key_position();
  if (moved.never_expires()) NeverExpires();
  if (moved.state() == v1::TASK_STATE_QUEUED && history != nullptr) history->queued_time = time;
  // The first state of a task has no history.
  if (state != v1::TASK_STATE_UNSPECIFIED) {
    History& past = Grown();
    Output& output = past.output;
    past.tries = moved.tries();
    past.lease_token = moved.lease_token();
    past.cancel_requested = false;
    if (moved.has_attempt()) {
      const bool news = output.attempts.empty() || output.attempts.back().number != moved.attempt().number();
      (news ? AddAttempt() : output.attempts.back()) = Keep(moved.attempt());
    }
    output.attempt_count = moved.attempt_count();
    output.error = KeepError(moved.error());
    output.usage = moved.has_usage() ? KeptUsage(moved.usage()) : KeptUsage();
    if (moved.state() == v1::TASK_STATE_RUNNING) {
      output.progress = nullptr;
    } else {
      output.result = moved.result();
    }
    output.end = task::IsTerminal(moved.state()) ? NotBeforeLast(time) : absl::InfiniteFuture();
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
  const v1::Task& output = past.output();
  own.output.attempt_count = output.attempt_count();
  if (output.has_end_time()) own.output.end = task::FromProto(output.end_time());
  if (output.has_usage()) own.output.usage = KeptUsage(output.usage());
  own.output.error = KeepError(output.error());
  own.output.result = output.result().SerializeAsString();
  if (output.has_progress()) own.output.progress = std::make_unique<v1::Progress>(output.progress());
  for (const v1::Attempt& attempt : output.attempts()) own.output.attempts.push_back(Keep(attempt));
  own.tries = past.tries();
  own.events.clear();
  own.event_bytes = 0;
  for (const PastEvent& event : past.events()) {
    KeptEvent kept{nullptr, event.time(), event.attempt(), event.state()};
    if (event.has_event()) kept.made = std::make_shared<const v1::TaskEvent>(event.event());
    own.event_bytes += MemoryOfEvent(kept);
    own.events.push_back(std::move(kept));
  }
  own.next_sequence = past.next_sequence();
  own.read_sequence = past.next_sequence() - 1;
  own.lease_token = past.lease_token();
  own.cancel_requested = past.cancel_requested();
  own.queued_time = absl::FromUnixNanos(present.time());
  if (present.never_expires()) NeverExpires();
  own.key_position = present.key_position();
}

void Record::DescribePast(TaskPast& past) const {
  history->output.AddTo(v1::TASK_VIEW_FULL, *past.mutable_output());
  const size_t size = history->events.size();
  for (size_t i = history->dropped; i < size; ++i) {
    const KeptEvent& event = history->events[i];
    PastEvent& described = *past.add_events();
    if (event.made != nullptr) {
      *described.mutable_event() = *event.made;
    } else if (task::IsTerminal(event.state)) {
      *described.mutable_event() = *Make(event, history->next_sequence - static_cast<int64_t>(size - i));
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
  past.set_stored(is_stored());
}

void Record::Add(KeptEvent event, std::shared_ptr<const v1::TaskEvent> made) {
  ++history->next_sequence;
  history->log_position = queue->log != nullptr ? queue->log->Append(std::move(made)) : 0;
  history->event_bytes += MemoryOfEvent(event);
  history->events.push_back(std::move(event));
}

void Record::Stamp(v1::TaskEvent& event, int64_t sequence, int32_t attempt, absl::Time time) const {
  event.set_sequence(sequence);
  event.set_task(name());
  event.set_attempt(attempt);
  *event.mutable_event_time() = task::ToProto(time);
}

std::shared_ptr<v1::TaskEvent> Record::Make(const KeptEvent& event, int64_t sequence) const {
  auto made = std::make_shared<v1::TaskEvent>();
  Stamp(*made, sequence, event.attempt, absl::FromUnixNanos(event.unix_nanos));
  made->mutable_state()->set_state(event.state);
  if (task::IsTerminal(event.state)) AddOutcome(*made->mutable_state());
  return made;
}

void Record::AddOutcome(v1::StateChange& change) const {
  const Output& output = history->output;
  if (output.error != nullptr) *change.mutable_error() = *output.error;
  if (change.state() == v1::TASK_STATE_RUNNING) return;
  if (!output.result.empty()) (void)change.mutable_result()->ParseFromString(output.result);
  if (output.usage.has_value()) output.usage.AddTo(*change.mutable_usage());
}

void Record::KeepEnd() {
  // That of one that is stored is made.
  if (!ended() || history->events.empty()) return;
  KeptEvent& end = history->events.back();
  if (end.made != nullptr) return;
  end.made = Make(end, latest_sequence());
  history->event_bytes += MemoryOfEvent(end);
}

EventBatch Record::EventsAfter(int64_t sequence, int max_events, int64_t max_bytes) {
  History& past = Grown();
  EventBatch batch = TakeEvents(past.next_sequence - 1 - sequence, max_events, max_bytes, [&](int64_t i) {
    const int64_t next = sequence + 1 + i;
    const KeptEvent& event = *(past.events.end() - (past.next_sequence - next));
    std::shared_ptr<const v1::TaskEvent> made = event.made != nullptr ? event.made : Make(event, next);
    return made;
  });
  batch.ended &= ended();
  if (!batch.events.empty()) {
    past.read_sequence = std::max(past.read_sequence, batch.events.back()->sequence());
  }
  return batch;
}

absl::StatusOr<EndedPast> UnpackPast(absl::string_view bytes, int64_t oldest_sequence,
                                     int64_t latest_sequence) {
  EndedPast past;
  bool fits = past.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) &&
              past.events_size() == latest_sequence - oldest_sequence + 1;
  for (int i = 0; fits && i < past.events_size(); ++i)
    fits = past.events(i).sequence() == oldest_sequence + i;
  if (fits) return past;
  return absl::DataLossError("what a task has gone through is not what was stored of it");
}

EventBatch StoredEventsAfter(EndedPast& past, int64_t sequence, int max_events, int64_t max_bytes) {
  const int first = static_cast<int>(
      std::find_if(past.events().begin(), past.events().end(),
                   [sequence](const v1::TaskEvent& event) { return event.sequence() > sequence; }) -
      past.events().begin());
  return TakeEvents(past.events_size() - first, max_events, max_bytes, [&](int64_t i) {
    return std::make_shared<const v1::TaskEvent>(
        std::move(*past.mutable_events(first + static_cast<int>(i))));
  });
}

}  // namespace errand::store
