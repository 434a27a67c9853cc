// How the memory store keeps its journal short.
//
// The oldest part goes first, always: what it says has then either been said again, at the journal's end, or
// does not count any more, and no later part needs it. That one task is delayed for a year costs its being
// copied now and then. The journal may take twice what its tasks take, so that on the average half of what is
// in a part does not count, and what is written is at most doubled. Where few tasks are there at a time
// nothing of the oldest part counts, and it goes unread.
#include <memory>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "server/store/errors.h"
#include "server/store/memory/changes.pb.h"
#include "server/store/memory/memory_store.h"
#include "server/task/name.h"

namespace errand::store {
namespace {

// A journal of so few parts is not worth the work.
constexpr uint64_t kFreeParts = 4;
// What a request id takes there, about.
constexpr uint64_t kRequestBytes = 128;
// A store of so few tasks and request ids looks whether any of them stands in a part before it reads that.
constexpr size_t kFew = 10'000;
// So many changes are looked at before other calls are let in.
constexpr size_t kStep = 64;
// How often to look whether the disk has become low.
constexpr absl::Duration kInterval = absl::Seconds(1);

}  // namespace

bool MemoryStore::NeedsCompaction() const {
  const uint64_t part = journal_->PartBytes();
  const uint64_t used = journal_->Parts() * part;
  if (used <= kFreeParts * part) return false;
  const uint64_t kept = static_cast<uint64_t>(kept_bytes_) + static_cast<uint64_t>(scripts_.bytes()) +
                        requests_.size() * kRequestBytes;
  const uint64_t allowed = journal_->IsLow() ? kept + kept / 8 : 2 * kept;
  return used > allowed + kFreeParts * part && journal_->OldestPart() != 0;
}

// Of one part.
class MemoryStore::Compaction {
 public:
  Compaction(MemoryStore* store, uint64_t part) : store_(*store), part_(part) {}

  absl::Status Run() {
    bool counts = true;
    {
      absl::MutexLock lock(&store_.mu_);
      counts = MayCount();
      store_.LogPartDropped(part_);
      for (const auto& [name, queue] : store_.queues_) {
        if (queue->revision != 0) store_.LogQueue(*queue);
      }
      for (const auto& [name, lease] : store_.purge_marks_.all()) store_.LogQueuePurged(name, lease);
      for (const Lineage* place : store_.lineages_.cancelled()) {
        store_.LogDescendantsCancelled(place->order, /*over=*/false);
      }
      store_.journal_->EndGroup();
    }
    if (counts) {
      if (absl::Status read = Read(); !read.ok()) return StoreFailure(read);
    }
    if (absl::Status synced = Sync(); !synced.ok()) return synced;
    return StoreFailure(journal().DropPart(part_));
  }

 private:
  struct Said {
    JournalPlace place;
    Change change;
  };

  // The journal is there as long as the store, and these of its calls need no mutex.
  Journal& journal() ABSL_NO_THREAD_SAFETY_ANALYSIS { return *store_.journal_; }

  // False: nothing that the part says counts any more.
  bool MayCount() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_) {
    if (store_.records_.size() + store_.requests_.size() > kFew) return true;
    const auto is_here = [this](JournalPlace place) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_) {
      return store_.journal_->PartOf(place) == part_;
    };
    for (const auto& [name, queue] : store_.queues_) {
      for (const auto& [order, record] : queue->records) {
        if (is_here(record->place)) return true;
      }
    }
    for (const Request& request : store_.requests_) {
      if (is_here(request.place)) return true;
    }
    return absl::c_any_of(store_.scripts_.Places(), is_here);
  }

  absl::Status Read() {
    absl::Status read =
        journal().ReadPart(part_, [this](JournalPlace place, absl::string_view bytes, uint64_t) {
          Said& said = said_.emplace_back();
          said.place = place;
          if (!said.change.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
            return absl::DataLossError("a change is not readable");
          }
          return said_.size() < kStep ? absl::OkStatus() : SayAgain();
        });
    return read.ok() ? SayAgain() : read;
  }

  // Looks at what has been collected.
  absl::Status SayAgain() {
    // Bodies that are not in memory are read without the mutex, which is why they are looked at twice.
    std::vector<const Said*> unread;
    std::vector<JournalPlace> places;
    {
      absl::MutexLock lock(&store_.mu_);
      if (!store_.refusal_.ok()) return store_.refusal_;
      for (const Said& said : said_) {
        if (!SayAgain(said)) continue;
        unread.push_back(&said);
        places.push_back(said.place);
      }
    }
    if (!unread.empty()) {
      const auto bodies = journal().ReadAttachments(places);
      if (!bodies.ok()) return bodies.status();
      absl::MutexLock lock(&store_.mu_);
      for (size_t i = 0; i < unread.size(); ++i) {
        Record* const record = Find(*unread[i]);
        if (record == nullptr) continue;
        store_.LogAgain(*record, (*bodies)[i]);
        store_.journal_->EndGroup();
      }
    }
    said_.clear();
    return absl::OkStatus();
  }

  // The task of which a part says all, if there is one.
  Record* Find(const Said& said) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_) {
    Record* const record = store_.Find(said.change.task_added().name());
    return record != nullptr && record->place == said.place ? record : nullptr;
  }

  // Says again what is not said later and still counts. True: not yet, the task's body has to be read first.
  bool SayAgain(const Said& said) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_) {
    bool unread = false;
    switch (said.change.change_case()) {
      case Change::kTaskAdded: {
        const TaskAdded& added = said.change.task_added();
        if (!added.request_id().empty()) {
          SayRequestAgain(absl::StrCat(task::QueueOf(added.name()), "\n", added.request_id()), said.place);
        }
        Record* const record = Find(said);
        unread = record != nullptr && record->body == nullptr;
        if (record != nullptr && !unread) store_.LogAgain(*record, record->body_view());
        break;
      }
      case Change::kScriptPut: {
        const ScriptPut& put = said.change.script_put();
        if (!put.request_id().empty()) {
          SayRequestAgain(absl::StrCat(put.name(), "\n", put.request_id()), said.place);
        }
        ScriptVersion* const version = store_.scripts_.Find(put.name(), put.version());
        if (version != nullptr && version->place == said.place) store_.LogScriptPut(*version, "");
        break;
      }
      case Change::kRequestRemembered:
        SayRequestAgain(said.change.request_remembered().key(), said.place);
        break;
      default:  // The last of these are part of what is said of a task, or have been said first of all.
        break;
    }
    store_.journal_->EndGroup();
    return unread;
  }

  void SayRequestAgain(const std::string& key, JournalPlace place) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_) {
    const auto it = store_.request_ids_.find(key);
    if (it != store_.request_ids_.end() && it->second->place == place) store_.LogRequest(*it->second);
  }

  absl::Status Sync() {
    absl::Notification synced;
    absl::Status status;
    {
      absl::MutexLock lock(&store_.mu_);
      store_.journal_->AfterSynced([&](const absl::Status& safe) {
        status = safe;
        synced.Notify();
      });
    }
    synced.WaitForNotification();
    return status;
  }

  MemoryStore& store_;
  const uint64_t part_;
  std::vector<Said> said_;
};

bool MemoryStore::CompactOnce() {
  uint64_t part = 0;
  {
    absl::MutexLock lock(&mu_);
    if (journal_ == nullptr || !refusal_.ok() || !NeedsCompaction()) return false;
    part = journal_->OldestPart();
  }
  absl::Status compacted = Compaction(this, part).Run();
  if (compacted.ok()) return true;
  Fail(compacted);
  return false;
}

void MemoryStore::RunCompactionThread() {
  for (;;) {
    {
      absl::MutexLock lock(&mu_);
      while (refusal_.ok() && !NeedsCompaction()) {
        // What other programs do to the disk is not signalled.
        compaction_changed_.WaitUntil(&mu_, clock::Instant::Now() + kInterval);
      }
      if (!refusal_.ok()) return;
    }
    CompactOnce();
  }
}

}  // namespace errand::store
