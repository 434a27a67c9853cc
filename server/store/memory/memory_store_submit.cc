// How submissions enter the memory store.
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "server/store/memory/answer.h"
#include "server/store/memory/memory_store.h"
#include "server/task/duration.h"
#include "server/task/errors.h"
#include "server/task/name.h"
#include "server/task/queue_settings.h"
#include "server/task/validate.h"

namespace errand::store {
namespace {

// How long a caller should wait before it tries a full queue again.
constexpr absl::Duration kFullRetryDelay = absl::Seconds(1);

// What a task that waits takes in memory beside its request, about.
constexpr int64_t kTaskMemory = 256;

std::string RequestKey(const Submission& submission) {
  return absl::StrCat(task::QueueOf(submission.task->name()), "\n", submission.request_id);
}

absl::Status Exists(absl::string_view name) {
  return task::Error(absl::StatusCode::kAlreadyExists, "TASK_EXISTS",
                     absl::StrCat("task_id: there is a task '", name, "' already"), {{"name", name}});
}

absl::Time DueTime(const v1::Task& task, const clock::Moment& now) {
  return task.has_schedule_time() ? task::FromProto(task.schedule_time()) : now.time;
}

int64_t Bound(int64_t of_queue, int64_t of_store) {
  return of_queue > 0 ? std::min(of_queue, of_store) : of_store;
}

}  // namespace

void MemoryStore::Submit(std::vector<Submission> submissions, SubmitMode mode,
                         Callback<std::vector<absl::Status>> done) {
  std::vector<absl::Status> results;
  Deferred answer;
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    // The table of names is larger than any cache. While one line is on its way, so are the others.
    for (const Submission& submission : submissions) records_.Prefetch(submission.task->name());
    const clock::Moment now = Now();
    ForgetOldRequestIds(now.instant);
    if (mode == SubmitMode::kAllOrNone) {
      results = SubmitAllOrNone(submissions, now, answer, deferred);
    } else {
      results.reserve(submissions.size());
      for (Submission& submission : submissions) {
        results.push_back(SubmitOne(submission, now, answer, deferred));
      }
    }
    v1::Durability durability = v1::DURABILITY_UNSPECIFIED;
    for (size_t i = 0; i < submissions.size(); ++i) {
      durability = std::max(durability, submissions[i].task->durability());
    }
    answer.push_back(Answer(std::move(done), std::move(results)));
    Commit(answer, durability);
    for (Call& call : answer.calls) deferred.at_once.push_back(std::move(call));
    FreeName(deferred);
    MatchClaims(now, deferred);
    Commit(deferred);
  }
  deferred.Run();
}

absl::Status MemoryStore::CheckRoom(const Queue& queue, int64_t tasks, int64_t bytes) const {
  const int64_t max_tasks = Bound(queue.settings.capacity().max_tasks(), options_.max_queue_tasks);
  if (queue.live_tasks() + tasks > max_tasks) {
    return task::QueueFull(queue.name,
                           absl::StrCat("it holds ", queue.live_tasks(), " tasks of ", max_tasks, " allowed"),
                           kFullRetryDelay);
  }
  const int64_t max_bytes = Bound(queue.settings.capacity().max_bytes(), options_.max_queue_bytes);
  if (queue.live_bytes + bytes > max_bytes) {
    return task::QueueFull(
        queue.name,
        absl::StrCat("it holds ", queue.live_bytes, " bytes; ", bytes, " more would exceed ", max_bytes),
        kFullRetryDelay);
  }
  const int64_t memory = bytes + tasks * kTaskMemory;
  if (!budget_.HasRoom(Kept::kLive, queue.live_memory, memory)) {
    return task::MemoryFull(
        absl::StrCat("tasks that have not ended take ", budget_.used(Kept::kLive), " bytes of ",
                     budget_.bound(Kept::kLive), ", those of ", queue.name, " ", queue.live_memory,
                     "; a queue may take as much as is left for the others"),
        kFullRetryDelay);
  }
  return absl::OkStatus();
}

std::optional<absl::StatusOr<const Record*>> MemoryStore::FindRepeated(const Submission& submission) {
  if (submission.request_id.empty()) return std::nullopt;
  const auto it = request_ids_.find(RequestKey(submission));
  if (it == request_ids_.end()) return std::nullopt;
  const std::string& name = it->second->outcome;
  if (const Record* first = Find(name)) return first;
  return task::Error(
      absl::StatusCode::kAlreadyExists, "TASK_NOT_KEPT",
      absl::StrCat("request_id: the task of this request, '", name, "', has ended and is no longer kept"));
}

int64_t MemoryStore::RequestMemory(const Request& request) {
  constexpr int64_t kTableBytes = 64;
  return static_cast<int64_t>(sizeof request + request.key.capacity() + request.outcome.capacity()) +
         kTableBytes;
}

void MemoryStore::RememberRequest(std::string key, std::string outcome, clock::Instant now,
                                  JournalPlace place) {
  requests_.push_back({now, std::move(key), std::move(outcome), place});
  Request& request = requests_.back();
  budget_.Add(Kept::kRequestIds, RequestMemory(request));
  // An earlier one, if there is any, is forgotten with its key.
  request_ids_.erase(request.key);
  request_ids_.emplace(request.key, &request);
  while (budget_.IsOver(Kept::kRequestIds)) ForgetRequestId();
}

void MemoryStore::ForgetRequestId() {
  const Request& oldest = requests_.front();
  // It may stand for a later request by now.
  const auto it = request_ids_.find(oldest.key);
  if (it != request_ids_.end() && it->second == &oldest) request_ids_.erase(it);
  budget_.Add(Kept::kRequestIds, -RequestMemory(oldest));
  requests_.pop_front();
}

absl::Status MemoryStore::CheckOutput(const v1::Task& task) const {
  const int64_t asked = task.limits().output_bytes();
  if (asked <= budget_.output_bound()) return absl::OkStatus();
  return task::InvalidField("task.limits.output_bytes",
                            absl::StrCat("must be at most ", budget_.output_bound(),
                                         ", a sixteenth of this server's memory for tasks, not ", asked));
}

absl::Status MemoryStore::CheckHandler(task::HandlerKind kind) const {
  const auto unclaimed = options_.unclaimed.find(kind);
  if (unclaimed == options_.unclaimed.end()) return absl::OkStatus();
  return task::NoHandler(task::KindName(kind), unclaimed->second);
}

absl::Status MemoryStore::CheckChanges() const {
  if (!refusal_.ok() || journal_ == nullptr || !journal_->IsFull()) return refusal_;
  return task::DiskFull("the server's disk is full: nothing is changed until there is space",
                        kFullRetryDelay);
}

absl::Status MemoryStore::CheckSpace() const {
  if (journal_ == nullptr || !journal_->IsLow()) return absl::OkStatus();
  return task::DiskFull(
      "the server's disk has too little space left for anything new; what is there goes on, and tasks that "
      "have ended can be deleted",
      kFullRetryDelay);
}

absl::StatusOr<MemoryStore::Place> MemoryStore::Complete(const Submission& submission) {
  v1::Task& task = *submission.task;
  if (absl::Status claimed = CheckHandler(task::KindOf(task)); !claimed.ok()) return claimed;
  if (task.has_email() && !options_.email_profiles.empty()) {
    const std::string& named = task.email().profile();
    const absl::string_view profile = named.empty() ? "default" : absl::string_view(named);
    if (!absl::c_linear_search(options_.email_profiles, profile)) {
      return task::NotFound("profile", profile, "task.email.profile");
    }
  }
  const v1::Durability offered = journal_ == nullptr ? v1::DURABILITY_MEMORY : v1::DURABILITY_FSYNC;
  if (task.durability() > offered) {
    return task::InvalidField("task.durability",
                              journal_ == nullptr
                                  ? "this server keeps tasks in memory: must be DURABILITY_MEMORY or unset"
                                  : "this server has no replica: must be at most DURABILITY_FSYNC, or unset");
  }
  if (task.durability() == v1::DURABILITY_UNSPECIFIED) task.set_durability(offered);
  if (Find(task.name()) != nullptr) return Exists(task.name());
  Place place;
  if (task.lua().has_script()) {
    place.script = scripts_.FindCurrent(task.lua().script());
    if (place.script == nullptr) return task::NotFound("script", task.lua().script(), "task.lua.script");
    task.mutable_lua()->set_script_version(place.script->script->version);
  }
  if (submission.submitter != nullptr) {
    const absl::StatusOr<Record*> submitter = FindSubmitter(submission);
    if (!submitter.ok()) return submitter.status();
    place.submitter = *submitter;
  }
  const absl::StatusOr<Queue*> queue = FindOrCreateQueue(task::QueueOf(task.name()), NameHolder::kTasks);
  if (!queue.ok()) return queue.status();
  place.queue = *queue;
  task::ApplyQueueDefaults(place.queue->settings, task);
  task::FillDefaults(task);
  return place;
}

std::vector<absl::Status> MemoryStore::SubmitAllOrNone(const std::vector<Submission>& submissions,
                                                       const clock::Moment& now, Deferred& answer,
                                                       Deferred& deferred) {
  if (!refusal_.ok()) return std::vector<absl::Status>(submissions.size(), refusal_);
  struct Room {
    int64_t tasks = 0;
    int64_t bytes = 0;
  };
  absl::flat_hash_map<Queue*, Room> rooms;
  absl::flat_hash_set<absl::string_view> names;
  absl::flat_hash_set<std::string> request_keys;
  std::vector<Place> places;  // Of those that are no repetitions; the others have no queue.
  std::vector<absl::Status> results;
  bool refused = false;
  for (const Submission& submission : submissions) {
    absl::Status status;
    Place place;
    if (const auto repeated = FindRepeated(submission); repeated.has_value()) {
      status = repeated->status();
    } else if (submission.request_id.empty() || request_keys.insert(RequestKey(submission)).second) {
      if (const absl::StatusOr<Place> found = Complete(submission); found.ok()) {
        place = *found;
        Room& room = rooms[place.queue];
        ++room.tasks;
        room.bytes += static_cast<int64_t>(submission.task->ByteSizeLong());
        status = CheckRoom(*place.queue, room.tasks, room.bytes);
        if (status.ok()) status = CheckSpace();
        if (status.ok()) status = CheckOutput(*submission.task);
        if (!names.insert(submission.task->name()).second) status = Exists(submission.task->name());
      } else {
        status = found.status();
      }
    }
    refused |= !status.ok();
    places.push_back(place);
    results.push_back(std::move(status));
  }
  if (refused) {
    for (absl::Status& result : results) {
      if (result.ok()) result = absl::CancelledError("another task of the batch was refused");
    }
    for (const auto& [queue, room] : rooms) DisposeOf(queue);
    return results;
  }
  for (size_t i = 0; i < submissions.size(); ++i) {
    if (places[i].queue == nullptr) {
      results[i] = SubmitOne(submissions[i], now, answer, deferred);
    } else {
      Add(submissions[i], places[i], now, deferred);
    }
  }
  return results;
}

absl::Status MemoryStore::SubmitOne(const Submission& submission, const clock::Moment& now, Deferred& answer,
                                    Deferred& deferred) {
  if (!refusal_.ok()) return refusal_;
  if (const auto repeated = FindRepeated(submission); repeated.has_value()) {
    if (repeated->ok()) {
      auto first = std::make_shared<Snapshot>((**repeated)->View(v1::TASK_VIEW_BASIC));
      if (first->body.empty()) answer.wanted.push_back({(**repeated)->place, &first->body});
      answer.push_back([first, task = submission.task](const absl::Status& safe) {
        if (safe.ok()) *task = std::move(*first).Complete();
      });
    }
    return repeated->status();
  }
  const absl::StatusOr<Place> place = Complete(submission);
  if (!place.ok()) return place.status();
  absl::Status status = CheckRoom(*place->queue, 1, static_cast<int64_t>(submission.task->ByteSizeLong()));
  if (status.ok()) status = CheckSpace();
  if (status.ok()) status = CheckOutput(*submission.task);
  if (status.ok() && !submission.validate_only) {
    Add(submission, *place, now, deferred);
    return status;
  }
  DisposeOf(place->queue);
  if (status.ok()) {
    v1::Task& task = *submission.task;
    if (task.has_lua()) task.mutable_lua()->Clear();
    if (task.has_email()) task.mutable_email()->Clear();
    task.set_state(DueTime(task, now) > now.time ? v1::TASK_STATE_SCHEDULED : v1::TASK_STATE_QUEUED);
  }
  return status;
}

void MemoryStore::Add(const Submission& submission, Place place, const clock::Moment& now,
                      Deferred& deferred) {
  v1::Task& task = *submission.task;
  Queue* queue = place.queue;
  const absl::Time due = DueTime(task, now);
  std::unique_ptr<Record> owned = Record::Make(task, next_order_++, queue, now.time);
  if (submission.ttl.has_value()) owned->Grown().ttl_end = now.instant + *submission.ttl;
  Record* record = owned.get();
  records_.Insert(std::move(owned));
  CountNew(*record);
  queue->records.emplace_hint(queue->records.end(), record->order, record);
  if (queue->records.size() == 1) CountName(*queue);
  queue->live_bytes += record->bytes();
  queue->created.Add(now.instant);
  if (place.script != nullptr) {
    ScriptRegistry::Hold(place.script);
    record->set_script(place.script);
  }
  if (place.submitter != nullptr) {
    lineages_.Add(lineages_.Of(*place.submitter), *record, submission.submitter->token);
  }
  JoinKeyLine(record);
  if (due > now.time) {
    ScheduleAt(record, due, now, deferred);
  } else {
    Enqueue(record, /*again=*/false, now, deferred);
  }
  LogAdded(*record, submission.request_id, due);
  if (!submission.request_id.empty()) {
    RememberRequest(RequestKey(submission), record->name(), now.instant, record->place);
  }
  record->AddOutput(v1::TASK_VIEW_BASIC, task);
}

}  // namespace errand::store
