#include "server/store/memory/memory_store_replay.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/store/memory/change_check.h"
#include "server/task/duration.h"
#include "server/task/errors.h"
#include "server/task/name.h"

namespace errand::store {
namespace {

// A task whose attempts the server itself did not survive so often is taken for the reason.
constexpr int kMaxInterruptedTries = 10;

}  // namespace

absl::StatusOr<std::unique_ptr<MemoryStore>> MemoryStore::Open(StoreOptions options,
                                                               std::unique_ptr<Journal> journal) {
  std::unique_ptr<MemoryStore> opened(new MemoryStore(std::move(options), std::move(journal)));
  if (absl::Status read = Replay(opened.get()).Run(); !read.ok()) {
    opened->journal_ = nullptr;  // There is nothing that could wait for it.
    return read;
  }
  opened->StartThreads();
  return opened;
}

MemoryStore::Replay::Replay(MemoryStore* store)
    : store_(*store), now_([store] {
        absl::MutexLock lock(&store->mu_);
        return store->Now();
      }()) {}

absl::Status MemoryStore::Replay::Run() {
  absl::MutexLock lock(&store_.mu_);
  const uint64_t first_part = store_.journal_->FirstPart();
  parts_missing_ = first_part > 1;
  absl::Status read =
      store_.journal_->Read([this](JournalPlace place, absl::string_view change, uint64_t bytes) {
        store_.mu_.AssertHeld();
        return Apply(place, change, bytes);
      });
  if (!read.ok()) return read;
  if (first_part > dropped_part_ + 1) {
    return absl::DataLossError(absl::StrCat(store_.journal_->PartName(dropped_part_ + 1), " is missing"));
  }
  return Finish();
}

absl::Status MemoryStore::Replay::Apply(JournalPlace place, absl::string_view text, uint64_t bytes) {
  Change& change = change_;
  if (!change.ParseFromArray(text.data(), static_cast<int>(text.size()))) {
    return Impossible("a change is not readable");
  }
  if (absl::Status possible = CheckChange(change); !possible.ok()) return possible;
  switch (change.change_case()) {
    case Change::kTaskAdded:
      return Add(place, change.task_added(), bytes);
    case Change::kTaskMoved:
      return Move(change.task_moved(), bytes);
    case Change::kTaskReported:
      return Report(change.task_reported());
    case Change::kPastStored:
      return StorePast(place, change.past_stored(), bytes);
    case Change::kTaskResultKept:
      return Keep(*change.mutable_task_result_kept(), bytes);
    case Change::kTaskCancelRequested:
      return RequestCancel(change.task_cancel_requested().order());
    case Change::kTaskForgotten:
      return Forget(change.task_forgotten().order());
    case Change::kDescendantsCancelled:
      if (change.descendants_cancelled().over()) {
        cancelled_.erase(change.descendants_cancelled().order());
      } else {
        cancelled_.insert(change.descendants_cancelled().order());
      }
      return absl::OkStatus();
    case Change::kQueuePurged:
      store_.purge_marks_.Set(change.queue_purged().name(), change.queue_purged().lease());
      store_.next_lease_token_ = std::max(store_.next_lease_token_, change.queue_purged().lease());
      return absl::OkStatus();
    case Change::kQueueDeleted:
      if (Queue* const queue = store_.FindQueue(change.queue_deleted().name()); queue != nullptr) {
        queue->settings.Clear();
        queue->paused = false;
        queue->revision = 0;
      }
      return absl::OkStatus();
    case Change::kQueueSet:
      return SetQueue(change.queue_set());
    case Change::kScriptPut:
      return PutScript(place, *change.mutable_script_put());
    case Change::kScriptDeleted:
      return DeleteScript(change.script_deleted().name());
    case Change::kRequestRemembered: {
      const RequestRemembered& request = change.request_remembered();
      store_.RememberRequest(request.key(), request.outcome(), InstantOf(absl::FromUnixNanos(request.time())),
                             place);
      return absl::OkStatus();
    }
    case Change::kPartDropped:
      return DropPart(change.part_dropped());
    case Change::CHANGE_NOT_SET:
      break;
  }
  return absl::OkStatus();
}

Queue* MemoryStore::Replay::QueueNamed(absl::string_view name) {
  if (Queue* queue = store_.FindQueue(name); queue != nullptr) return queue;
  // Whatever the options say today: its tasks are there.
  std::string own(name);
  auto queue = std::make_unique<Queue>(own, /*is_permanent=*/false);
  ++store_.names_[static_cast<size_t>(queue->holder)];
  return store_.queues_.emplace(std::move(own), std::move(queue)).first->second.get();
}

absl::Status MemoryStore::Replay::Add(JournalPlace place, const TaskAdded& added, uint64_t bytes) {
  if (added.body_bytes() > bytes) {
    return Impossible(absl::StrCat("'", added.name(), "' is larger than what was said of it"));
  }
  const Record* const earlier =
      by_order_.empty() || added.order() > by_order_.rbegin()->first ? nullptr : Find(added.order());
  const Record* const namesake = new_records_ == 0 ? store_.Find(added.name()) : nullptr;
  if ((earlier != nullptr && !added.again()) || (namesake != nullptr && namesake != earlier)) {
    return Impossible(absl::StrCat("'", added.name(), "' is there twice"));
  }
  if (earlier != nullptr) {
    if (earlier->name() != added.name()) {
      return Impossible(absl::StrCat("'", earlier->name(), "' becomes '", added.name(), "'"));
    }
    if (absl::Status forgotten = Forget(added.order()); !forgotten.ok()) return forgotten;
  }
  Queue* const queue = QueueNamed(task::QueueOf(added.name()));
  std::unique_ptr<Record> owned = Record::Make(added, queue);
  Record* const record = owned.get();
  record->place = place;
  store_.CountAdded(*record, bytes);
  if (!added.script().empty()) script_of_[record->order] = {added.script(), added.script_version()};
  if (added.ancestors_size() > 0) {
    Descent& descent = descents_[record->order];
    descent.since = added.family_since();
    for (const Ancestor& ancestor : added.ancestors()) {
      descent.ancestors.emplace_back(ancestor.order(), ancestor.name());
    }
  }
  by_order_.emplace_hint(by_order_.end(), record->order, record);
  store_.records_.Prefetch(added.name());
  new_.push_back(std::move(owned));
  if (absl::Status named = Name(new_records_); !named.ok()) return named;
  queue->records.emplace_hint(queue->records.end(), record->order, record);
  store_.next_order_ = std::max(store_.next_order_, record->order + 1);
  if (!added.request_id().empty()) {
    const clock::Instant created = InstantOf(record->create_time());
    store_.ForgetOldRequestIds(created);
    store_.RememberRequest(absl::StrCat(queue->name, "\n", added.request_id()), added.name(), created, place);
  }
  Entered(*record, added.first());
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::Name(size_t left) {
  while (new_.size() > left) {
    const Record* const record = new_.front().get();
    if (!store_.records_.Insert(std::move(new_.front()))) {
      return Impossible(absl::StrCat("'", record->name(), "' is there twice"));
    }
    new_.pop_front();
  }
  return absl::OkStatus();
}

void MemoryStore::Replay::Entered(const Record& record, const TaskMoved& moved) {
  ++store_.next_log_position_;
  store_.next_position_ = std::max({store_.next_position_, moved.position() + 1, moved.key_position() + 1});
  const uint64_t token = record.history == nullptr ? 0 : record.history->lease_token;
  store_.next_lease_token_ = std::max(store_.next_lease_token_, token + 1);
  if (moved.state() == v1::TASK_STATE_SCHEDULED) {
    due_[record.order] = {absl::FromUnixNanos(moved.time()), absl::FromUnixNanos(moved.due())};
  }
}

absl::Status MemoryStore::Replay::Move(const TaskMoved& moved, uint64_t bytes) {
  Record* const record = Find(moved.order());
  if (record == nullptr) return Missing("a task that is not there enters a state");
  record->Replay(moved);
  store_.CountLogged(*record, static_cast<int64_t>(bytes));
  Entered(*record, moved);
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::StorePast(JournalPlace place, const PastStored& past, uint64_t bytes) {
  Record* const record = Find(past.order());
  if (record == nullptr) return Missing("what a task has gone through is stored that is not there");
  if (!record->ended()) return Impossible("what a task has gone through is stored before it has ended");
  if (past.bytes() > bytes || past.events() >= record->history->next_sequence) {
    return Impossible("what a task has gone through is stored, and more than that");
  }
  const int64_t less = record->DropPast(past.bytes());
  record->history->stored.events = past.events();
  record->history->stored.place = place;
  store_.CountLogged(*record, static_cast<int64_t>(bytes) - less);
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::ReadPast(Record* record) {
  const StoredPast& stored = record->history->stored;
  const Journal::Attachments read = store_.journal_->ReadAttachments({stored.place});
  if (!read.ok()) return read.status();
  const int64_t oldest = record->oldest_sequence();
  absl::StatusOr<EndedPast> past = UnpackPast(read->front(), oldest, oldest + stored.events - 1);
  if (!past.ok()) return Impossible(absl::StrCat("'", record->name(), "': ", past.status().message()));
  record->RestorePast(*std::move(past));
  store_.CountLogged(
      *record, -record->TrimEvents(store_.options_.max_task_events, store_.options_.max_task_event_bytes));
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::Report(const TaskReported& reported) {
  Record* const record = Find(reported.order());
  if (record == nullptr) return Missing("a task that is not there reports something");
  if (record->state != v1::TASK_STATE_RUNNING)
    return Impossible("a task that does not run reports something");
  if (reported.replaces() && record->history->events.size() == record->history->dropped) {
    return Impossible("a task's first event takes another's place");
  }
  ++store_.next_log_position_;
  store_.CountLogged(
      *record, record->AddReport(reported.event(), reported.replaces(), absl::FromUnixNanos(reported.time()),
                                 store_.options_.max_task_events, store_.options_.max_task_event_bytes));
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::Keep(TaskResultKept& kept, uint64_t bytes) {
  Record* const record = Find(kept.order());
  if (record == nullptr) return Missing("a task that is not there has a result");
  if (record->state != v1::TASK_STATE_RUNNING) return Impossible("a task that does not run has a result");
  record->KeepResult(std::move(*kept.mutable_result()));
  store_.CountLogged(*record, static_cast<int64_t>(bytes));
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::RequestCancel(uint64_t order) {
  Record* const record = Find(order);
  if (record == nullptr) return Missing("a task that is not there is to be stopped");
  if (record->state != v1::TASK_STATE_RUNNING) return Impossible("a task that does not run is to be stopped");
  record->history->cancel_requested = true;
  ++record->revision;
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::Forget(uint64_t order) {
  Record* const record = Find(order);
  if (record == nullptr) return Missing("a task that is not there is forgotten");
  if (absl::Status named = Name(0); !named.ok()) return named;
  record->queue->Moved(record->state, v1::TASK_STATE_UNSPECIFIED);
  record->queue->records.erase(order);
  by_order_.erase(order);
  if (!script_of_.empty()) script_of_.erase(order);
  if (!descents_.empty()) descents_.erase(order);
  store_.kept_bytes_ -= record->logged_bytes;
  store_.records_.Erase(*record);
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::SetQueue(const QueueSet& set) {
  Queue* const queue = QueueNamed(set.name());
  queue->settings = set.settings();
  queue->paused = set.paused();
  queue->revision = set.revision();
  store_.next_queue_revision_ = std::max(store_.next_queue_revision_, set.revision() + 1);
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::PutScript(JournalPlace place, ScriptPut& put) {
  const absl::Time time = absl::FromUnixNanos(put.time());
  if (!put.request_id().empty()) {
    store_.ForgetOldRequestIds(InstantOf(time));
    store_.RememberRequest(absl::StrCat(put.name(), "\n", put.request_id()), absl::StrCat(put.version()),
                           InstantOf(time), place);
  }
  Script& script = scripts_[put.name()];
  script.last = std::max(script.last, put.version());
  // A version that is said again may be older than the current one.
  if (!put.retired()) script.current = put.version();
  Script::Version& version = script.versions[put.version()];
  version.source = std::move(*put.mutable_source());
  version.time = time;
  version.place = place;
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::DeleteScript(const std::string& name) {
  const auto it = scripts_.find(name);
  if (it == scripts_.end()) return Missing(absl::StrCat("'", name, "', which is not there, is deleted"));
  it->second.current = 0;
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::DropPart(const PartDropped& dropped) {
  dropped_part_ = std::max(dropped_part_, dropped.part());
  store_.next_order_ = std::max(store_.next_order_, dropped.next_order());
  store_.next_position_ = std::max(store_.next_position_, dropped.next_position());
  store_.next_lease_token_ = std::max(store_.next_lease_token_, dropped.next_lease_token());
  store_.next_queue_revision_ = std::max(store_.next_queue_revision_, dropped.next_queue_revision());
  store_.next_log_position_ = std::max(store_.next_log_position_, dropped.next_log_position());
  for (const auto& [name, version] : dropped.last_script_versions()) {
    scripts_[name].last = std::max(scripts_[name].last, version);
  }
  store_.scripts_.SetLastForgottenVersion(dropped.last_forgotten_version());
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::FinishScripts() {
  for (const auto& [order, script] : script_of_) {
    const auto it = scripts_.find(script.first);
    if (it == scripts_.end() || !it->second.versions.contains(script.second)) {
      return Impossible(absl::StrCat("'", Find(order)->name(), "' runs version ", script.second, " of '",
                                     script.first, "', which is not there"));
    }
    it->second.versions[script.second].holders.push_back(Find(order));
  }
  for (auto& [name, script] : scripts_) {
    for (auto& [number, version] : script.versions) {
      const bool current = number == script.current;
      if (!current && version.holders.empty()) continue;
      ScriptVersion* const put =
          current ? store_.scripts_.Put(name, number, std::move(version.source), version.time)
                  : store_.scripts_.PutRetired(name, number, std::move(version.source), version.time);
      put->place = version.place;
      for (Record* holder : version.holders) {
        ScriptRegistry::Hold(put);
        holder->set_script(put);
      }
    }
    store_.scripts_.SetLastVersion(name, script.last);
  }
  scripts_.clear();
  return absl::OkStatus();
}

void MemoryStore::Replay::FinishLineages() {
  Lineages& lineages = store_.lineages_;
  // By order, so that a task that is there has its place before those below it ask for it.
  for (auto& [order, descent] : descents_) {
    Lineage* above = nullptr;
    for (auto& [ancestor, name] : descent.ancestors) {
      above = lineages.Restore(ancestor, above, std::move(name), Find(ancestor));
    }
    above->root->since = std::max(above->root->since, descent.since);
    store_.next_lease_token_ = std::max(store_.next_lease_token_, descent.since + 1);
    Record* const record = Find(order);
    Lineage* const place = lineages.Restore(order, above, "", record);
    if (!record->ended()) lineages.Revived(place);
  }
  descents_.clear();
  for (const uint64_t order : cancelled_) {
    Lineage* const place = lineages.Find(order);
    // Whoever asked for it is gone; what it was to end is not.
    if (place != nullptr && lineages.Cancel(place)) {
      store_.sweeps_.push_back({place->Name(), order, 0, 0, nullptr});
    }
  }
}

absl::Status MemoryStore::Replay::Finish() {
  if (absl::Status named = Name(0); !named.ok()) return named;
  if (absl::Status finished = FinishScripts(); !finished.ok()) return finished;
  FinishLineages();
  for (const auto& [name, queue] : store_.queues_) {
    if (queue->settings.has_rate_limit()) {
      queue->bucket.Configure(queue->settings.rate_limit(), now_.instant);
    }
    for (const auto& [order, record] : queue->records) {
      if (absl::Status placed = Place(record); !placed.ok()) return placed;
    }
    for (const auto& [order, record] : queue->records) {
      const KeyLine* const line = record->key_line();
      const bool may_start = line == nullptr || line->tasks.begin()->second == record;
      if (record->state != v1::TASK_STATE_QUEUED || !may_start) continue;
      queue->lines[static_cast<size_t>(record->kind)].Add(record);
    }
    store_.turns_.Offer(queue.get());
    store_.CountName(*queue);
  }
  // Positions of events are not kept. They go up with the time, and where the clock was set back they go on
  // behind all that can have been used: each change may have been an event.
  store_.next_log_position_ = std::max(store_.next_log_position_, absl::ToUnixMicros(now_.time));
  store_.first_log_position_ = store_.next_log_position_;
  store_.dropped_part_ = dropped_part_;

  absl::Status started =
      store_.journal_->Start([&store = store_](const absl::Status& why) { store.Fail(why); });
  if (!started.ok()) return started;
  Deferred deferred;
  std::vector<Queue*> queues;
  for (const auto& [name, queue] : store_.queues_) queues.push_back(queue.get());
  for (Queue* queue : queues) {
    std::vector<Record*> interrupted;
    for (const auto& [order, record] : queue->records) {
      if (record->state == v1::TASK_STATE_RUNNING) interrupted.push_back(record);
    }
    for (Record* record : interrupted) {
      if (absl::Status over = Interrupt(record, deferred); !over.ok()) return over;
    }
    store_.ForgetOldTasksOf(queue, now_, deferred);
    store_.DisposeOf(queue);
  }
  store_.ForgetOldTasks(now_, deferred);
  store_.ForgetOldRequestIds(now_.instant);
  store_.Commit(deferred);
  deferred.Run();
  return absl::OkStatus();
}

absl::Status MemoryStore::Replay::Place(Record* record) {
  Queue* const queue = record->queue;
  if (record->is_stored() && !record->history->events.empty()) {
    if (absl::Status read = ReadPast(record); !read.ok()) return read;
  }
  if (record->ended()) record->EndIsKept();
  store_.CountNew(*record);
  if (record->ended()) {
    record->history->ended = InstantOf(record->history->output.end.get());
    queue->ended.emplace(record->position, record);
    if (store_.ended_.emplace(record->position, record).second) return absl::OkStatus();
    return Impossible(absl::StrCat("'", record->name(), "' has ended at the same time as another"));
  }
  queue->live_bytes += record->bytes();
  const std::string key(record->ordering_key());
  const uint64_t key_position = record->history == nullptr ? 0 : record->history->key_position;
  if (key.empty() != (key_position == 0)) {
    return Impossible(absl::StrCat("'", record->name(), "' has an ordering key, or a place among those"));
  }
  if (key_position != 0) {
    std::unique_ptr<KeyLine>& line = queue->keys[key];
    if (line == nullptr) line = std::make_unique<KeyLine>(KeyLine{key, {}});
    record->history->key_line = line.get();
    if (!line->tasks.emplace(key_position, record).second) {
      return Impossible(absl::StrCat("'", record->name(), "' has another's place in its ordering key"));
    }
  }
  Await(record);
  return absl::OkStatus();
}

void MemoryStore::Replay::Await(Record* record) {
  if (record->has_ttl()) record->history->ttl_end = EndOf(record->create_time(), record->expires());
  if (record->state == v1::TASK_STATE_QUEUED) {
    store_.SetAlarm(record, record->ttl_end(), record->expiry_date());
  } else if (record->state == v1::TASK_STATE_SCHEDULED) {
    const Due& due = due_[record->order];
    if (record->started()) {
      store_.SetAlarm(record, EndOf(due.since, due.time));
    } else {
      store_.SetAlarm(record, record->ttl_end(), std::min(due.time, record->expiry_date()));
    }
  }
}

absl::Status MemoryStore::Replay::Interrupt(Record* record, Deferred& deferred) {
  History& past = *record->history;
  past.lease_token = 0;
  const auto error =
      KeepError(task::ToProto(task::Error(absl::StatusCode::kUnavailable, "SERVER_ENDED",
                                          "the server that ran it ended before the attempt did")));
  record->EndAttempt(error, KeptUsage(), now_.time);
  const absl::StatusOr<v1::Task> asked = store_.ReadTask(*record);
  if (!asked.ok()) return asked.status();
  const int max_tries = std::max(kMaxInterruptedTries, asked->retry_policy().max_attempts());
  if (past.cancel_requested) {
    store_.End(record, v1::TASK_STATE_CANCELLED, now_, deferred);
  } else if (past.tries >= max_tries) {
    past.output.error = error;
    store_.End(record, v1::TASK_STATE_FAILED, now_, deferred);
  } else {
    store_.Enqueue(record, /*again=*/true, now_, deferred);
  }
  return absl::OkStatus();
}

}  // namespace errand::store
