// A memory store that is made again from its journal.
#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/store/memory/changes.pb.h"
#include "server/store/memory/memory_store.h"
#include "server/task/duration.h"
#include "server/task/errors.h"
#include "server/task/name.h"

namespace errand::store {
namespace {

// A task whose attempts the server itself did not survive so often is taken for the reason.
constexpr int kMaxInterruptedTries = 10;

absl::Status Impossible(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the journal does not fit together: ", what));
}

}  // namespace

// Makes the changes again. What follows from the tasks, like the lines in which they wait, is made in the
// end.
class MemoryStore::Replay {
 public:
  explicit Replay(MemoryStore* store) : store_(*store) {}

  absl::Status Run();

 private:
  absl::Status Apply(absl::string_view change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  void Finish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status Add(const TaskAdded& added) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status Move(const TaskMoved& moved) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status Report(const TaskReported& reported) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status RequestCancel(uint64_t order) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status Forget(uint64_t order) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status SetQueue(const QueueSet& set) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status PutScript(ScriptPut& put) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status DeleteScript(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);

  Record* Find(uint64_t order) const {
    const auto it = by_order_.find(order);
    return it == by_order_.end() ? nullptr : it->second;
  }
  Queue* QueueNamed(absl::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  // Puts the task where it belongs by its state, but for its waiting line.
  void Place(Record* record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  // The server that ran it is gone.
  void Interrupt(Record* record, absl::Time now, Deferred& deferred)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);

  MemoryStore& store_;
  absl::flat_hash_map<uint64_t, Record*> by_order_;
  absl::flat_hash_map<uint64_t, absl::Time> due_;  // Of those that are SCHEDULED, by order.
};

absl::StatusOr<std::unique_ptr<MemoryStore>> MemoryStore::Open(StoreOptions options,
                                                               std::unique_ptr<Journal> journal) {
  std::unique_ptr<MemoryStore> opened(new MemoryStore(std::move(options), std::move(journal)));
  if (absl::Status read = Replay(opened.get()).Run(); !read.ok()) {
    opened->journal_ = nullptr;  // There is nothing that could wait for it.
    return read;
  }
  opened->StartAlarms();
  return opened;
}

absl::Status MemoryStore::Replay::Run() {
  absl::MutexLock lock(&store_.mu_);
  absl::Status read = store_.journal_->Read([this](absl::string_view change) {
    store_.mu_.AssertHeld();
    return Apply(change);
  });
  if (read.ok()) Finish();
  return read;
}

absl::Status MemoryStore::Replay::Apply(absl::string_view bytes) {
  Change change;
  if (!change.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Impossible("a change is not readable");
  }
  switch (change.change_case()) {
    case Change::kTaskAdded:
      return Add(change.task_added());
    case Change::kTaskMoved:
      return Move(change.task_moved());
    case Change::kTaskReported:
      return Report(change.task_reported());
    case Change::kTaskCancelRequested:
      return RequestCancel(change.task_cancel_requested().order());
    case Change::kTaskForgotten:
      return Forget(change.task_forgotten().order());
    case Change::kQueueSet:
      return SetQueue(change.queue_set());
    case Change::kScriptPut:
      return PutScript(*change.mutable_script_put());
    case Change::kScriptDeleted:
      return DeleteScript(change.script_deleted().name());
    case Change::CHANGE_NOT_SET:
      break;
  }
  return Impossible("a change of a kind that this server does not know");
}

Queue* MemoryStore::Replay::QueueNamed(absl::string_view name) {
  if (Queue* queue = store_.FindQueue(name); queue != nullptr) return queue;
  // Whatever the options say today: its tasks are there.
  std::string own(name);
  auto queue = std::make_unique<Queue>(own, /*is_permanent=*/false);
  return store_.queues_.emplace(std::move(own), std::move(queue)).first->second.get();
}

absl::Status MemoryStore::Replay::Add(const TaskAdded& added) {
  if (!task::CheckTaskName(added.name(), "name").ok()) {
    return Impossible(absl::StrCat("a task is called '", added.name(), "'"));
  }
  if (added.priority() < 0 || added.priority() > task::kMaxPriority || !added.has_first()) {
    return Impossible(absl::StrCat("'", added.name(), "' cannot have been accepted"));
  }
  if (Find(added.order()) != nullptr || store_.Find(added.name()) != nullptr) {
    return Impossible(absl::StrCat("'", added.name(), "' is there twice"));
  }
  Queue* const queue = QueueNamed(task::QueueOf(added.name()));
  auto owned = std::make_unique<Record>(added, queue);
  Record* const record = owned.get();
  if (!added.script().empty()) {
    record->script = store_.scripts_.Find(added.script(), added.script_version());
    if (record->script == nullptr) {
      return Impossible(absl::StrCat("'", added.name(), "' runs version ", added.script_version(), " of '",
                                     added.script(), "', which is not there"));
    }
    ScriptRegistry::Hold(record->script);
  }
  store_.records_.Insert(std::move(owned));
  by_order_[record->order] = record;
  queue->records.emplace_hint(queue->records.end(), record->order, record);
  store_.next_order_ = std::max(store_.next_order_, record->order + 1);
  if (!added.request_id().empty()) {
    store_.RememberRequest(absl::StrCat(queue->name, "\n", added.request_id()), added.name(),
                           record->create_time);
  }
  TaskMoved first = added.first();
  first.set_order(record->order);
  return Move(first);
}

absl::Status MemoryStore::Replay::Move(const TaskMoved& moved) {
  Record* const record = Find(moved.order());
  const bool known = v1::TaskState_IsValid(moved.state()) && moved.state() != v1::TASK_STATE_UNSPECIFIED;
  if (record == nullptr || !known) return Impossible("a task that is not there enters a state");
  record->Replay(moved);
  store_.next_position_ = std::max({store_.next_position_, moved.position() + 1, moved.key_position() + 1});
  store_.next_lease_token_ = std::max(store_.next_lease_token_, moved.lease_token() + 1);
  if (moved.state() == v1::TASK_STATE_SCHEDULED) due_[moved.order()] = absl::FromUnixNanos(moved.due());
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::Report(const TaskReported& reported) {
  Record* const record = Find(reported.order());
  if (record == nullptr || record->state != v1::TASK_STATE_RUNNING) {
    return Impossible("a task that does not run reports something");
  }
  if (reported.replaces() && record->history->events.size() == record->history->dropped) {
    return Impossible("a task's first event takes another's place");
  }
  record->AddReport(reported.event(), reported.replaces(), absl::FromUnixNanos(reported.time()),
                    store_.options_.max_task_events);
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::RequestCancel(uint64_t order) {
  Record* const record = Find(order);
  if (record == nullptr || record->state != v1::TASK_STATE_RUNNING) {
    return Impossible("a task that does not run is to be stopped");
  }
  record->history->cancel_requested = true;
  ++record->revision;
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::Forget(uint64_t order) {
  Record* const record = Find(order);
  if (record == nullptr) return Impossible("a task that is not there is forgotten");
  record->queue->Moved(record->state, v1::TASK_STATE_UNSPECIFIED);
  record->queue->records.erase(order);
  if (record->script != nullptr) store_.scripts_.Release(record->script);
  by_order_.erase(order);
  store_.records_.Erase(*record);
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::SetQueue(const QueueSet& set) {
  if (!task::CheckQueueName(set.name(), "name").ok()) {
    return Impossible(absl::StrCat("a queue is called '", set.name(), "'"));
  }
  Queue* const queue = QueueNamed(set.name());
  queue->settings = set.settings();
  queue->paused = set.paused();
  queue->revision = set.revision();
  store_.next_queue_revision_ = std::max(store_.next_queue_revision_, set.revision() + 1);
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::PutScript(ScriptPut& put) {
  const absl::Time time = absl::FromUnixNanos(put.time());
  const std::string request_key = absl::StrCat(put.name(), "\n", put.request_id());
  if (put.version() < store_.scripts_.NextVersion(put.name())) {
    return Impossible(absl::StrCat("version ", put.version(), " of '", put.name(), "' is there twice"));
  }
  store_.scripts_.Put(std::move(*put.mutable_name()), put.version(), std::move(*put.mutable_source()), time);
  if (!put.request_id().empty()) {
    store_.RememberRequest(request_key, absl::StrCat(put.version()), time);
  }
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::DeleteScript(const std::string& name) {
  if (store_.scripts_.Delete(name)) return absl::OkStatus();
  return Impossible(absl::StrCat("'", name, "', which is not there, is deleted"));
}

void MemoryStore::Replay::Finish() {
  const absl::Time now = store_.Now();
  for (const auto& [name, queue] : store_.queues_) {
    if (queue->settings.has_rate_limit()) queue->bucket.Configure(queue->settings.rate_limit(), now);
    for (const auto& [order, record] : queue->records) Place(record);
    for (const auto& [order, record] : queue->records) {
      const KeyLine* const line = record->key_line;
      const bool may_start = line == nullptr || line->tasks.begin()->second == record;
      if (record->state != v1::TASK_STATE_QUEUED || !may_start) continue;
      queue->lines[static_cast<size_t>(record->kind)].Add(record);
    }
    store_.turns_.Offer(queue.get());
  }
  store_.synced_order_ = store_.next_order_ - 1;
  // Positions of events are not kept. They go up with the time, so that none is used twice.
  store_.next_log_position_ = absl::ToUnixMicros(now);

  Deferred deferred;
  std::vector<Queue*> queues;
  for (const auto& [name, queue] : store_.queues_) queues.push_back(queue.get());
  for (Queue* queue : queues) {
    std::vector<Record*> interrupted;
    for (const auto& [order, record] : queue->records) {
      if (record->state == v1::TASK_STATE_RUNNING) interrupted.push_back(record);
    }
    for (Record* record : interrupted) Interrupt(record, now, deferred);
    store_.ForgetOldTasksOf(queue, now, deferred);
    store_.DisposeOf(queue);
  }
  store_.ForgetOldTasks(now, deferred);
  store_.ForgetOldRequestIds(now);
  store_.Commit(deferred);
  deferred.Run();
}

void MemoryStore::Replay::Place(Record* record) {
  Queue* const queue = record->queue;
  if (record->ended()) {
    queue->ended.emplace(record->position, record);
    store_.ended_.emplace(record->position, record);
    return;
  }
  queue->live_bytes += record->bytes();
  if (const uint64_t position = record->key_position; position != 0) {
    const std::string key = record->View(v1::TASK_VIEW_BASIC).ordering_key();
    std::unique_ptr<KeyLine>& line = queue->keys[key];
    if (line == nullptr) line = std::make_unique<KeyLine>(KeyLine{key, {}});
    record->key_line = line.get();
    line->tasks.emplace(position, record);
  }
  if (record->state == v1::TASK_STATE_SCHEDULED) {
    store_.SetAlarm(record, std::min(due_[record->order], record->expires));
  } else if (record->state == v1::TASK_STATE_QUEUED) {
    store_.SetAlarm(record, record->expires);
  }
}

void MemoryStore::Replay::Interrupt(Record* record, absl::Time now, Deferred& deferred) {
  History& past = *record->history;
  past.lease_token = 0;
  const google::rpc::Status error = task::ToProto(task::Error(
      absl::StatusCode::kUnavailable, "SERVER_ENDED", "the server that ran it ended before the attempt did"));
  record->EndAttempt(error, nullptr, now);
  const int max_tries =
      std::max(kMaxInterruptedTries, record->View(v1::TASK_VIEW_BASIC).retry_policy().max_attempts());
  if (past.cancel_requested) {
    store_.End(record, v1::TASK_STATE_CANCELLED, now, deferred);
  } else if (past.tries >= max_tries) {
    *past.output.mutable_error() = error;
    store_.End(record, v1::TASK_STATE_FAILED, now, deferred);
  } else {
    store_.Enqueue(record, /*again=*/true, now, deferred);
  }
}

}  // namespace errand::store
