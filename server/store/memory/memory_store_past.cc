// What tasks have gone through that have ended: with a journal it is there alone, where it is much.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/store/memory/answer.h"
#include "server/store/memory/changes.pb.h"
#include "server/store/memory/memory_store.h"

namespace errand::store {
bool MemoryStore::StoresPast(const Record& record) const {
  return journal_ != nullptr && record.ended() && record.PastBytes() >= options_.min_stored_past_bytes;
}

void MemoryStore::StorePast(Record* record) {
  const std::string past = record->PackPast();
  const int64_t less = record->DropPast(static_cast<uint32_t>(past.size()));
  LogPast(*record, past);
  CountLogged(*record, -less);
  Recount(*record);
}

MemoryStore::Call MemoryStore::TellStored(const Record& record, WatchRequest request,
                                          Callback<absl::StatusOr<EventBatch>> done, Deferred& deferred) {
  auto stored = std::make_shared<std::string>();
  deferred.wanted.push_back({record.history->stored.place, stored.get()});
  return [stored, oldest = record.oldest_sequence(), latest = record.latest_sequence(),
          request = std::move(request), done = std::move(done)](const absl::Status& safe) mutable {
    if (!safe.ok()) return done(safe);
    absl::StatusOr<EndedPast> past = UnpackPast(*stored, oldest, latest);
    if (!past.ok()) return done(past.status());
    done(StoredEventsAfter(*past, request.after_sequence, request.max_events, request.max_bytes));
  };
}

void MemoryStore::Retry(std::vector<ChangeRequest> requests,
                        Callback<std::vector<absl::StatusOr<v1::Task>>> done) {
  // What they have gone through is to be in memory again.
  struct Stored {
    JournalPlace place;
    int64_t oldest_sequence;
    int64_t latest_sequence;
  };
  std::vector<Stored> stored;
  std::vector<JournalPlace> places;
  std::unique_ptr<Journal::Reading> reading;
  {
    absl::MutexLock lock(&mu_);
    for (const ChangeRequest& request : requests) {
      const Record* const record = Find(request.name);
      if (record == nullptr || !record->is_stored()) continue;
      places.push_back(record->history->stored.place);
      stored.push_back({places.back(), record->oldest_sequence(), record->latest_sequence()});
    }
    if (!places.empty()) reading = journal_->Hold(places);
  }
  if (reading == nullptr) {
    RetryWith({}, std::move(requests), std::move(done));
    return;
  }
  reading->Start([this, stored = std::move(stored), requests = std::move(requests),
                  done = std::move(done)](const Journal::Attachments& read) mutable {
    if (!read.ok()) {
      Fail(read.status());
      return done(std::vector<absl::StatusOr<v1::Task>>(requests.size(), read.status()));
    }
    Pasts pasts;
    for (size_t i = 0; i < stored.size(); ++i) {
      pasts.emplace(stored[i].place,
                    UnpackPast((*read)[i], stored[i].oldest_sequence, stored[i].latest_sequence));
    }
    RetryWith(std::move(pasts), std::move(requests), std::move(done));
  });
}

void MemoryStore::RetryWith(Pasts pasts, std::vector<ChangeRequest> requests,
                            Callback<std::vector<absl::StatusOr<v1::Task>>> done) {
  auto tasks = std::make_shared<Snapshots>();
  tasks->reserve(requests.size());
  Deferred deferred;
  {
    absl::MutexLock lock(&mu_);
    const clock::Moment now = Now();
    for (const ChangeRequest& request : requests) {
      Describe(RetryOne(request, pasts, now, deferred), v1::TASK_VIEW_BASIC, *tasks, deferred);
    }
    deferred.push_back(AnswerTasks(std::move(tasks), std::move(done)));
    MatchClaims(now, deferred);
    Commit(deferred);
  }
  deferred.Run();
}

}  // namespace errand::store
