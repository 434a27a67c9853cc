// What the memory store tells its journal.
#include "absl/strings/string_view.h"
#include "server/store/memory/changes.pb.h"
#include "server/store/memory/memory_store.h"

namespace errand::store {
namespace {

void DescribeMove(const Record& record, absl::Time now, absl::Time due, TaskMoved& moved) {
  moved.set_state(record.state);
  moved.set_time(absl::ToUnixNanos(now));
  if (record.state == v1::TASK_STATE_SCHEDULED) moved.set_due(absl::ToUnixNanos(due));
  moved.set_position(record.position);
  if (record.key_line != nullptr) moved.set_key_position(record.key_position);
  moved.set_revision(record.revision);
  moved.set_never_expires(record.expires == absl::InfiniteFuture());
  if (record.history == nullptr) return;
  const v1::Task& output = record.history->output;
  moved.set_tries(record.history->tries);
  moved.set_attempt_count(output.attempt_count());
  if (!output.attempts().empty()) *moved.mutable_attempt() = *output.attempts().rbegin();
  if (output.has_error()) *moved.mutable_error() = output.error();
  if (output.has_usage()) *moved.mutable_usage() = output.usage();
  if (record.state == v1::TASK_STATE_RUNNING) {
    moved.set_lease_token(record.history->lease_token);
  } else if (output.has_result()) {
    *moved.mutable_result() = output.result();
  }
}

}  // namespace

void MemoryStore::LogAdded(const Record& record, const std::string& request_id, absl::Time due) {
  if (journal_ == nullptr) return;
  Change change;
  TaskAdded& added = *change.mutable_task_added();
  added.set_order(record.order);
  added.set_name(std::string(record.name()));
  const char* const handler = record.packed.get() + record.name_size;
  added.set_handler(handler, record.handler_size);
  added.set_basic(handler + record.handler_size, record.basic_size);
  added.set_email(record.kind == task::HandlerKind::kEmail);
  added.set_priority(record.priority);
  if (record.expires != absl::InfiniteFuture()) added.set_expire_time(absl::ToUnixNanos(record.expires));
  added.set_create_time(absl::ToUnixNanos(record.create_time));
  if (record.script != nullptr) {
    added.set_script(record.script->script->name);
    added.set_script_version(record.script->script->version);
  }
  added.set_request_id(request_id);
  DescribeMove(record, record.create_time, due, *added.mutable_first());
  journal_->Append(change.SerializeAsString());
}

void MemoryStore::LogMoved(const Record& record, absl::Time now, absl::Time due) {
  if (journal_ == nullptr || record.revision == 1) return;
  Change change;
  change.mutable_task_moved()->set_order(record.order);
  DescribeMove(record, now, due, *change.mutable_task_moved());
  journal_->Append(change.SerializeAsString());
}

void MemoryStore::LogReport(const Record& record, const v1::TaskEvent& event, bool replaces, absl::Time now) {
  if (journal_ == nullptr) return;
  Change change;
  TaskReported& reported = *change.mutable_task_reported();
  reported.set_order(record.order);
  reported.set_time(absl::ToUnixNanos(now));
  *reported.mutable_event() = event;
  reported.set_replaces(replaces);
  journal_->Append(change.SerializeAsString());
}

void MemoryStore::LogCancelRequested(const Record& record) {
  if (journal_ == nullptr) return;
  Change change;
  change.mutable_task_cancel_requested()->set_order(record.order);
  journal_->Append(change.SerializeAsString());
}

void MemoryStore::LogForgotten(const Record& record) {
  if (journal_ == nullptr) return;
  Change change;
  change.mutable_task_forgotten()->set_order(record.order);
  journal_->Append(change.SerializeAsString());
}

void MemoryStore::LogQueue(const Queue& queue) {
  if (journal_ == nullptr) return;
  Change change;
  QueueSet& set = *change.mutable_queue_set();
  set.set_name(queue.name);
  *set.mutable_settings() = queue.settings;
  set.set_paused(queue.paused);
  set.set_revision(queue.revision);
  journal_->Append(change.SerializeAsString());
}

void MemoryStore::LogScriptPut(const ScriptVersion& version, const std::string& request_id) {
  if (journal_ == nullptr) return;
  Change change;
  ScriptPut& put = *change.mutable_script_put();
  put.set_name(version.script->name);
  put.set_version(version.script->version);
  put.set_source(version.script->source);
  put.set_time(absl::ToUnixNanos(version.create_time));
  put.set_request_id(request_id);
  journal_->Append(change.SerializeAsString());
}

void MemoryStore::LogScriptDeleted(const std::string& name) {
  if (journal_ == nullptr) return;
  Change change;
  change.mutable_script_deleted()->set_name(name);
  journal_->Append(change.SerializeAsString());
}

}  // namespace errand::store
