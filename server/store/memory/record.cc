#include "server/store/memory/record.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "server/store/memory/changes.pb.h"
#include "server/store/memory/queue.h"
#include "server/task/duration.h"

namespace errand::store {
namespace {

constexpr int kMaxAttemptsKept = 100;

absl::string_view IdOf(absl::string_view name) { return name.substr(name.rfind('/') + 1); }

}  // namespace

Record::Record(v1::Task& task, uint64_t task_order, Queue* task_queue, absl::Time now)
    : order(task_order), queue(task_queue), create_time(now) {
  kind = task::KindOf(task);
  priority = static_cast<uint8_t>(task.priority());
  if (task.has_expire_time()) expires = task::FromProto(task.expire_time());
  std::string task_name = std::move(*task.mutable_name());
  task.clear_name();
  // Where the server chose the id, it is the uid.
  const bool same = task.uid() == IdOf(task_name);
  std::string uid = same ? std::move(*task.mutable_uid()) : "";
  if (same) task.clear_uid();

  google::protobuf::MessageLite& handler =
      kind == task::HandlerKind::kLua ? static_cast<google::protobuf::MessageLite&>(*task.mutable_lua())
                                      : *task.mutable_email();
  const size_t whole_size = task.ByteSizeLong();
  name_size = static_cast<uint32_t>(task_name.size());
  handler_size = static_cast<uint32_t>(handler.GetCachedSize());
  // In BASIC view an empty message stands for the handler's, with a length of one byte.
  basic_size = static_cast<uint32_t>(whole_size - handler_size -
                                     google::protobuf::io::CodedOutputStream::VarintSize32(handler_size) + 1);
  packed = std::make_unique_for_overwrite<char[]>(name_size + handler_size + basic_size);
  std::memcpy(packed.get(), task_name.data(), name_size);
  uint8_t* end = reinterpret_cast<uint8_t*>(packed.get() + name_size);
  end = handler.SerializeWithCachedSizesToArray(end);
  handler.Clear();
  task.ByteSizeLong();  // Caches the sizes as they are now; this one is basic_size.
  task.SerializeWithCachedSizesToArray(end);

  task.set_name(std::move(task_name));
  if (same) task.set_uid(std::move(uid));
}

Record::Record(const TaskAdded& added, Queue* task_queue)
    : order(added.order()), queue(task_queue), create_time(absl::FromUnixNanos(added.create_time())) {
  kind = added.email() ? task::HandlerKind::kEmail : task::HandlerKind::kLua;
  priority = static_cast<uint8_t>(added.priority());
  if (added.expire_time() != 0) expires = absl::FromUnixNanos(added.expire_time());
  name_size = static_cast<uint32_t>(added.name().size());
  handler_size = static_cast<uint32_t>(added.handler().size());
  basic_size = static_cast<uint32_t>(added.basic().size());
  packed = std::make_unique_for_overwrite<char[]>(name_size + handler_size + basic_size);
  char* end = packed.get();
  for (const std::string* part : {&added.name(), &added.handler(), &added.basic()}) {
    end = std::copy(part->begin(), part->end(), end);
  }
}

int64_t Record::oldest_sequence() const {
  if (history == nullptr) return 1;
  return history->next_sequence - static_cast<int64_t>(history->events.size() - history->dropped);
}

v1::Task Record::Unpack(v1::TaskView view) const {
  v1::Task task;
  // What this process has serialized itself does parse.
  const char* const handler_at = packed.get() + name_size;
  (void)task.ParseFromArray(handler_at + handler_size, static_cast<int>(basic_size));
  task.set_name(std::string(name()));
  if (task.uid().empty()) task.set_uid(std::string(IdOf(name())));
  if (view == v1::TASK_VIEW_FULL) {
    google::protobuf::MessageLite& handler =
        kind == task::HandlerKind::kLua ? static_cast<google::protobuf::MessageLite&>(*task.mutable_lua())
                                        : *task.mutable_email();
    (void)handler.ParseFromArray(handler_at, static_cast<int>(handler_size));
  }
  return task;
}

TaskSpec Record::Spec() const { return std::make_shared<const v1::Task>(Unpack(v1::TASK_VIEW_FULL)); }

v1::Task Record::View(v1::TaskView view) const {
  v1::Task task = Unpack(view);
  AddOutput(view, task);
  return task;
}

void Record::AddOutput(v1::TaskView view, v1::Task& task) const {
  task.set_state(state);
  *task.mutable_create_time() = task::ToProto(create_time);
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
  expires = absl::InfiniteFuture();
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
  // What a task without history has gone through. It is no news for those who watch the queue.
  if (state == v1::TASK_STATE_QUEUED) AddPlain(create_time);
  return *history;
}

void Record::Enter(v1::TaskState new_state, absl::Time now, absl::Time due) {
  const bool created = state == v1::TASK_STATE_UNSPECIFIED;
  // Only a queue that is watched needs the first event of a task now.
  const bool implied = created && new_state == v1::TASK_STATE_QUEUED && queue->log == nullptr;
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
  key_position = moved.key_position();
  if (moved.never_expires()) expires = absl::InfiniteFuture();
  if (moved.state() == v1::TASK_STATE_QUEUED) queued_time = time;
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

void Record::Add(std::shared_ptr<v1::TaskEvent> event, absl::Time now) {
  event->set_sequence(history->next_sequence++);
  event->set_task(std::string(name()));
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
  made->set_task(std::string(name()));
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
