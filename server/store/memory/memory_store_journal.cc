// What the memory store tells its journal.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "absl/strings/string_view.h"
#include "server/store/memory/changes.pb.h"
#include "server/store/memory/memory_store.h"

namespace errand::store {
namespace {

constexpr size_t kUsualChangeBytes = 64 << 10;

// The state that it is in, without what its history says of it.
void DescribeState(const Record& record, absl::Time now, absl::Time due, TaskMoved& moved) {
  moved.set_state(record.state);
  moved.set_time(absl::ToUnixNanos(now));
  if (record.state == v1::TASK_STATE_SCHEDULED) moved.set_due(absl::ToUnixNanos(due));
  moved.set_position(record.position);
  if (record.key_line() != nullptr) moved.set_key_position(record.history->key_position);
  moved.set_revision(record.revision);
  moved.set_never_expires(record.expires() == absl::InfiniteFuture());
}

// `with_result`: it is not stored apart.
void DescribeMove(const Record& record, absl::Time now, absl::Time due, bool with_result, TaskMoved& moved) {
  DescribeState(record, now, due, moved);
  if (record.history == nullptr) return;
  const Output& output = record.history->output;
  moved.set_tries(record.history->tries);
  moved.set_attempt_count(output.attempt_count);
  if (!output.attempts.empty()) output.attempts.back().AddTo(*moved.mutable_attempt());
  if (output.error != nullptr) *moved.mutable_error() = *output.error;
  if (output.usage.has_value()) output.usage.AddTo(*moved.mutable_usage());
  if (record.state == v1::TASK_STATE_RUNNING) {
    moved.set_lease_token(record.history->lease_token);
  } else if (with_result) {
    moved.set_result(output.result);
  }
}

// All but the state that it is in.
void DescribeTask(const Record& record, TaskAdded& added) {
  added.set_order(record.order);
  added.set_name(record.name());
  added.set_email(record.kind == task::HandlerKind::kEmail);
  added.set_priority(record.priority);
  if (record.expires() != absl::InfiniteFuture()) {
    added.set_expire_time(absl::ToUnixNanos(record.expires()));
    added.set_expires_after_ttl(record.has_ttl());
  }
  added.set_create_time(record.create_nanos);
  added.set_ordering_key(std::string(record.ordering_key()));
  if (const ScriptVersion* const version = record.script(); version != nullptr) {
    added.set_script(version->script->name);
    added.set_script_version(version->script->version);
  }
  added.set_body_bytes(record.body_size);
  const Lineage* const place = record.lineage();
  if (place == nullptr || place->parent == nullptr) return;
  added.set_family_since(place->root->since);
  for (int32_t depth = 0; depth < place->depth; ++depth) added.add_ancestors();
  for (const Lineage* above = place->parent; above != nullptr; above = above->parent) {
    Ancestor& ancestor = *added.mutable_ancestors(above->depth);
    ancestor.set_order(above->order);
    ancestor.set_name(above->Name());
  }
}

}  // namespace

Change& MemoryStore::NewChange() {
  change_arena_.Reset();
  // One large result does not hold its memory for ever.
  if (change_bytes_.capacity() > kUsualChangeBytes) std::string().swap(change_bytes_);
  return *google::protobuf::Arena::CreateMessage<Change>(&change_arena_);
}

JournalPlace MemoryStore::Say(const Change& change, absl::string_view attachment) {
  changes_ = true;
  change.SerializeToString(&change_bytes_);
  return journal_->Append(change_bytes_, attachment);
}

void MemoryStore::LogAdded(Record& record, const std::string& request_id, absl::Time due) {
  if (journal_ == nullptr) return;
  Change& change = NewChange();
  TaskAdded& added = *change.mutable_task_added();
  DescribeTask(record, added);
  added.set_request_id(request_id);
  DescribeMove(record, record.create_time(), due, /*with_result=*/true, *added.mutable_first());
  record.place = Say(change, record.body_view());
  CountAdded(record, change_bytes_.size() + record.body_size + Journal::kOverhead);
  // What comes while the queue is long is read back when its time has come.
  if (body_bytes_ + record.body_size > options_.max_body_bytes_in_memory) {
    record.body = nullptr;
    CountBodyGone(record);
  } else {
    body_bytes_ += record.body_size;
  }
}

void MemoryStore::LogAgain(Record& record, absl::string_view body, absl::string_view past) {
  Change& change = NewChange();
  TaskAdded& added = *change.mutable_task_added();
  DescribeTask(record, added);
  added.set_again(true);
  if (record.state == v1::TASK_STATE_SCHEDULED) {
    // When it is due, or when it expires if that is earlier; what is left of a backoff is all of it from now
    // on.
    const clock::Moment now = Now();
    const absl::Time due = record.started() ? now.TimeOf(record.history->alarm) : record.history->date.get();
    DescribeState(record, now.time, due, *added.mutable_first());
  } else {
    DescribeState(record, record.queued_time(), absl::UnixEpoch(), *added.mutable_first());
  }
  if (record.history != nullptr) record.DescribePast(*added.mutable_past());
  record.place = Say(change, body);
  kept_bytes_ -= std::exchange(record.logged_bytes, 0);
  CountAdded(record, change_bytes_.size() + body.size() + Journal::kOverhead);
  if (record.is_stored()) LogPast(record, past);
}

void MemoryStore::LogPast(Record& record, absl::string_view past) {
  StoredPast& stored = record.history->stored;
  Change& change = NewChange();
  change.mutable_past_stored()->set_order(record.order);
  change.mutable_past_stored()->set_events(stored.events);
  change.mutable_past_stored()->set_bytes(stored.bytes);
  stored.place = Say(change, past);
  CountLogged(record, static_cast<int64_t>(change_bytes_.size() + past.size() + Journal::kOverhead));
}

void MemoryStore::CountAdded(Record& record, uint64_t bytes) {
  // Each of its events counts as if it had come by itself, which is how it is taken off when it goes.
  const size_t events = record.history == nullptr ? 0 : record.history->events.size();
  CountLogged(record, static_cast<int64_t>(bytes + events * Journal::kOverhead));
}

void MemoryStore::CountLogged(Record& record, int64_t bytes) {
  const int64_t before = record.logged_bytes;
  record.logged_bytes =
      static_cast<uint32_t>(std::clamp<int64_t>(before + bytes, 0, std::numeric_limits<uint32_t>::max()));
  kept_bytes_ += record.logged_bytes - before;
}

void MemoryStore::LogMoved(Record& record, absl::Time now, absl::Time due) {
  if (journal_ == nullptr || record.revision == 1) return;
  Change& change = NewChange();
  change.mutable_task_moved()->set_order(record.order);
  DescribeMove(record, now, due, /*with_result=*/!StoresPast(record), *change.mutable_task_moved());
  Say(change);
  CountLogged(record, static_cast<int64_t>(change_bytes_.size() + Journal::kOverhead));
}

void MemoryStore::LogReport(const Record& record, const v1::TaskEvent& event, bool replaces, absl::Time now) {
  if (journal_ == nullptr) return;
  Change& change = NewChange();
  TaskReported& reported = *change.mutable_task_reported();
  reported.set_order(record.order);
  reported.set_time(absl::ToUnixNanos(now));
  *reported.mutable_event() = event;
  reported.set_replaces(replaces);
  Say(change);
}

void MemoryStore::LogResult(Record& record) {
  if (journal_ == nullptr) return;
  Change& change = NewChange();
  change.mutable_task_result_kept()->set_order(record.order);
  change.mutable_task_result_kept()->set_result(record.history->output.result);
  Say(change);
  CountLogged(record, static_cast<int64_t>(change_bytes_.size() + Journal::kOverhead));
}

void MemoryStore::LogCancelRequested(const Record& record) {
  if (journal_ == nullptr) return;
  Change& change = NewChange();
  change.mutable_task_cancel_requested()->set_order(record.order);
  Say(change);
}

void MemoryStore::LogForgotten(const Record& record) {
  if (journal_ == nullptr) return;
  Change& change = NewChange();
  change.mutable_task_forgotten()->set_order(record.order);
  Say(change);
}

void MemoryStore::LogDescendantsCancelled(uint64_t order, bool over) {
  if (journal_ == nullptr) return;
  Change& change = NewChange();
  change.mutable_descendants_cancelled()->set_order(order);
  change.mutable_descendants_cancelled()->set_over(over);
  Say(change);
}

void MemoryStore::LogUncancelled() {
  for (const uint64_t order : lineages_.TakeUncancelled()) LogDescendantsCancelled(order, /*over=*/true);
}

void MemoryStore::LogQueuePurged(const std::string& name, uint64_t lease) {
  if (journal_ == nullptr) return;
  Change& change = NewChange();
  change.mutable_queue_purged()->set_name(name);
  change.mutable_queue_purged()->set_lease(lease);
  Say(change);
}

void MemoryStore::LogQueueDeleted(const std::string& name) {
  if (journal_ == nullptr) return;
  Change& change = NewChange();
  change.mutable_queue_deleted()->set_name(name);
  Say(change);
}

void MemoryStore::LogQueue(const Queue& queue) {
  if (journal_ == nullptr) return;
  Change& change = NewChange();
  QueueSet& set = *change.mutable_queue_set();
  set.set_name(queue.name);
  *set.mutable_settings() = queue.settings;
  set.set_paused(queue.paused);
  set.set_revision(queue.revision);
  Say(change);
}

JournalPlace MemoryStore::LogScriptPut(ScriptVersion& version, const std::string& request_id) {
  if (journal_ == nullptr) return 0;
  Change& change = NewChange();
  ScriptPut& put = *change.mutable_script_put();
  put.set_name(version.script->name);
  put.set_version(version.script->version);
  put.set_source(version.script->source);
  put.set_time(absl::ToUnixNanos(version.create_time));
  put.set_request_id(request_id);
  put.set_retired(scripts_.FindCurrent(put.name()) != &version);
  version.place = Say(change);
  return version.place;
}

void MemoryStore::LogRequest(Request& request) {
  Change& change = NewChange();
  RequestRemembered& remembered = *change.mutable_request_remembered();
  remembered.set_key(request.key);
  remembered.set_outcome(request.outcome);
  remembered.set_time(absl::ToUnixNanos(Now().TimeOf(request.time)));
  request.place = Say(change);
}

void MemoryStore::LogPartDropped(uint64_t part) {
  dropped_part_ = part;
  Say(DescribePartDropped(part));
}

void MemoryStore::LogPositions() {
  if (journal_ == nullptr || std::exchange(positions_logged_, true)) return;
  LogPartDropped(dropped_part_);
}

Change& MemoryStore::DescribePartDropped(uint64_t part) {
  Change& change = NewChange();
  PartDropped& dropped = *change.mutable_part_dropped();
  dropped.set_part(part);
  dropped.set_next_order(next_order_);
  dropped.set_next_position(next_position_);
  dropped.set_next_lease_token(next_lease_token_);
  dropped.set_next_queue_revision(next_queue_revision_);
  for (const auto& [name, version] : scripts_.LastVersions()) {
    (*dropped.mutable_last_script_versions())[name] = version;
  }
  dropped.set_last_forgotten_version(scripts_.last_forgotten_version());
  int64_t next_log_position = next_log_position_;
  for (const auto& [name, queue] : queues_) {
    if (queue->log != nullptr) next_log_position = std::max(next_log_position, queue->log->latest() + 1);
  }
  dropped.set_next_log_position(next_log_position);
  return change;
}

void MemoryStore::LogScriptDeleted(const std::string& name) {
  if (journal_ == nullptr) return;
  Change& change = NewChange();
  change.mutable_script_deleted()->set_name(name);
  Say(change);
}

}  // namespace errand::store
