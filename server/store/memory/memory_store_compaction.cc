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
    {
      // Last: until then the part is needed, and missed if it is not there.
      absl::MutexLock lock(&store_.mu_);
      store_.LogPartDropped(part_);
      store_.journal_->EndGroup();
    }
    if (absl::Status synced = Sync(); !synced.ok()) return synced;
    return StoreFailure(journal().DropPart(part_));
  }

 private:
  struct Said {
    JournalPlace place;
    Change change;
  };
  // What has to be read before a task is said again: its body, and what is stored of its past.
  struct Unread {
    std::string name;
    JournalPlace place;
    JournalPlace past;  // 0: nothing is.
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
    // What is not in memory is read without the mutex, which is why it is looked at twice.
    std::vector<Unread> unread;
    {
      absl::MutexLock lock(&store_.mu_);
      if (!store_.refusal_.ok()) return store_.refusal_;
      for (const Said& said : said_) SayAgain(said, unread);
    }
    said_.clear();
    while (!unread.empty()) {
      if (absl::Status read = ReadAndSayAgain(unread); !read.ok()) return read;
    }
    return absl::OkStatus();
  }

  // Leaves those whose pasts have been stored meanwhile.
  absl::Status ReadAndSayAgain(std::vector<Unread>& unread) {
    std::vector<JournalPlace> places;
    for (const Unread& task : unread) {
      places.push_back(task.place);
      if (task.past != 0) places.push_back(task.past);
    }
    Journal::Attachments read;
    absl::Notification done;
    std::unique_ptr<Journal::Reading> reading;
    {
      absl::MutexLock lock(&store_.mu_);
      reading = store_.journal_->Hold(places);
    }
    reading->Start([&](Journal::Attachments attachments) {
      read = std::move(attachments);
      done.Notify();
    });
    done.WaitForNotification();
    if (!read.ok()) return read.status();
    absl::MutexLock lock(&store_.mu_);
    std::vector<Unread> left;
    auto attachment = read->begin();
    for (const Unread& task : unread) {
      const std::string body = std::move(*attachment++);
      const std::string past = task.past == 0 ? "" : std::move(*attachment++);
      Record* const record = Find(task.name, task.place);
      if (record == nullptr) continue;
      if (StoredAt(*record) != task.past && record->is_stored()) {
        left.push_back({task.name, task.place, StoredAt(*record)});
        continue;
      }
      store_.LogAgain(*record, body, past);
      store_.journal_->EndGroup();
    }
    unread = std::move(left);
    return absl::OkStatus();
  }

  // The task of which that place says all, if there is one.
  Record* Find(absl::string_view name, JournalPlace place) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_) {
    Record* const record = store_.Find(name);
    return record != nullptr && record->place == place ? record : nullptr;
  }

  static JournalPlace StoredAt(const Record& record) {
    return record.is_stored() ? record.history->stored.place : 0;
  }

  // Says again what is not said later and still counts, or adds what has to be read for that.
  void SayAgain(const Said& said, std::vector<Unread>& unread) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_) {
    switch (said.change.change_case()) {
      case Change::kTaskAdded: {
        const TaskAdded& added = said.change.task_added();
        if (!added.request_id().empty()) {
          SayRequestAgain(absl::StrCat(task::QueueOf(added.name()), "\n", added.request_id()), said.place);
        }
        Record* const record = Find(added.name(), said.place);
        if (record == nullptr) break;
        if (record->body == nullptr) {
          unread.push_back({added.name(), said.place, StoredAt(*record)});
        } else {
          store_.LogAgain(*record, record->body_view(), "");  // What has ended has no body in memory.
        }
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
