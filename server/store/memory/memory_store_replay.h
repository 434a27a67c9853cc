#ifndef ERRAND_SERVER_STORE_MEMORY_MEMORY_STORE_REPLAY_H_
#define ERRAND_SERVER_STORE_MEMORY_MEMORY_STORE_REPLAY_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <memory_resource>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/store/memory/change_check.h"
#include "server/store/memory/changes.pb.h"
#include "server/store/memory/memory_store.h"

namespace errand::store {

class Rehearsal;

// A memory store that is made again from its journal: makes the changes again. What follows from the tasks,
// like the lines in which they wait, is made in the end. Once, on one thread, before anyone else has the
// store.
class MemoryStore::Replay {
 public:
  explicit Replay(MemoryStore* store);

  absl::Status Run();

 private:
  friend class Rehearsal;

  absl::Status Apply(JournalPlace place, absl::string_view change, uint64_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status Add(JournalPlace place, const TaskAdded& added, uint64_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status Move(const TaskMoved& moved, uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status StorePast(JournalPlace place, const PastStored& past, uint64_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status Report(const TaskReported& reported) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status Keep(TaskResultKept& kept, uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  // Gives the table of names the new records but the last `left`.
  absl::Status Name(size_t left) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  // What a task's state says of the store.
  void Entered(const Record& record, const TaskMoved& moved) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status RequestCancel(uint64_t order) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status Forget(uint64_t order) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status SetQueue(const QueueSet& set) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  // Gives the tasks that scripts have made their places in their families.
  void FinishLineages() ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status PutScript(JournalPlace place, ScriptPut& put) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status DeleteScript(const std::string& name);
  absl::Status DropPart(const PartDropped& dropped) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);

  // Gives the registry the scripts, as far as they are current or a task refers to them.
  absl::Status FinishScripts() ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  absl::Status Finish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);

  Record* Find(uint64_t order) const {
    const auto it = by_order_.find(order);
    return it == by_order_.end() ? nullptr : it->second;
  }
  Queue* QueueNamed(absl::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  // Sets the alarms of a task that has not ended.
  void Await(Record* record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  // Puts the task where it belongs by its state, but for its waiting line.
  absl::Status Place(Record* record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  // Of a task that was stored, and has moved since.
  absl::Status ReadPast(Record* record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);
  // The server that ran it is gone.
  absl::Status Interrupt(Record* record, Deferred& deferred) ABSL_EXCLUSIVE_LOCKS_REQUIRED(store_.mu_);

  // Of a task that is not there: its being added was in a part that was dropped, because it is gone or is
  // said again later.
  absl::Status Missing(absl::string_view what) const {
    return parts_missing_ ? absl::OkStatus() : Impossible(what);
  }

  // The versions of a name, until it is known which of them are needed.
  struct Script {
    struct Version {
      std::string source;
      absl::Time time;
      JournalPlace place = 0;
      std::vector<Record*> holders;
    };
    int64_t current = 0;
    int64_t last = 0;
    absl::btree_map<int64_t, Version> versions;
  };

  // Since when a task is SCHEDULED, and until when.
  struct Due {
    absl::Time since;
    absl::Time time;
  };

  // The instant of something that is kept. Nobody measured since: the wall clock tells how long ago that was,
  // and a clock that was set back meanwhile makes it now.
  clock::Instant InstantOf(absl::Time past) const { return std::min(now_.instant, now_.InstantOf(past)); }
  // When a wait is over that began at `since`: what is left of it by the wall clock, and at most all of it.
  clock::Instant EndOf(absl::Time since, absl::Time end) const {
    return now_.instant +
           std::clamp(end - now_.time, absl::ZeroDuration(), std::max(end - since, absl::ZeroDuration()));
  }

  MemoryStore& store_;
  const clock::Moment now_;  // As it begins.
  Change change_;
  // Those that the table of names does not have yet: it is larger than any cache, and what an insertion
  // touches is on its way meanwhile.
  std::deque<std::unique_ptr<Record>> new_;
  size_t new_records_ = 32;  // How many; 0: a name that is there already is found before anything is done.
  // Memory of its own: freed together, it leaves no holes between the records that stay.
  std::pmr::unsynchronized_pool_resource by_order_memory_;
  absl::btree_map<uint64_t, Record*, std::less<>,
                  std::pmr::polymorphic_allocator<std::pair<const uint64_t, Record*>>>
      by_order_{&by_order_memory_};
  absl::flat_hash_map<uint64_t, Due> due_;  // Of those that are SCHEDULED, by order.
  absl::flat_hash_map<uint64_t, std::pair<std::string, int64_t>> script_of_;  // The same: name and version.
  // What is said of the families, until it is known which tasks are there.
  struct Descent {
    std::vector<std::pair<uint64_t, std::string>> ancestors;  // Order and name; the root first.
    uint64_t since = 0;
  };
  absl::btree_map<uint64_t, Descent> descents_;  // By order.
  absl::btree_set<uint64_t> cancelled_;          // With their descendants, by order.
  absl::btree_map<std::string, Script> scripts_;
  // Some of the oldest parts are not there any more.
  bool parts_missing_ = false;
  uint64_t dropped_part_ = 0;  // Up to this one they need not be.
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_MEMORY_STORE_REPLAY_H_
