#ifndef ERRAND_SERVER_STORE_MEMORY_RECORD_TABLE_H_
#define ERRAND_SERVER_STORE_MEMORY_RECORD_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "server/store/memory/queue.h"
#include "server/store/memory/record.h"
#include "server/task/name.h"

namespace errand::store {

// Owns the records and finds them by name. It keeps a part of each name's hash beside the pointer: a table
// that grows does not go to a million records in memory to read their names again.
class RecordTable {
 public:
  RecordTable() = default;
  ~RecordTable() {
    for (const Entry& entry : entries_) delete entry.record();
  }

  RecordTable(const RecordTable&) = delete;
  RecordTable& operator=(const RecordTable&) = delete;

  // Null where there is none.
  Record* Find(absl::string_view name) const {
    const auto it = entries_.find(KeyOf(name));
    return it == entries_.end() ? nullptr : it->record();
  }

  size_t size() const { return entries_.size(); }

  // Has the processor fetch what Find and Insert of that name will touch.
  void Prefetch(absl::string_view name) const { entries_.prefetch(KeyOf(name)); }

  // False if there is a record of that name already.
  bool Insert(std::unique_ptr<Record>&& record) {
    const bool inserted = entries_.insert(Entry(KeyOf(*record).hash, record.get())).second;
    if (inserted) (void)record.release();  // Otherwise it is still the caller's.
    return inserted;
  }

  // Frees it.
  void Erase(Record& record) {
    entries_.erase(entries_.find(KeyOf(record)));
    delete &record;
  }

 private:
  // Twelve bytes.
  class Entry {
   public:
    Entry(uint32_t name_hash, Record* record) : hash(name_hash) {
      std::memcpy(record_, &record, sizeof record_);
    }
    Record* record() const {
      Record* record;
      std::memcpy(&record, record_, sizeof record_);
      return record;
    }
    absl::string_view queue() const { return record()->queue->name; }
    absl::string_view id() const { return record()->id(); }

    uint32_t hash;

   private:
    char record_[sizeof(void*)];
  };
  struct Key {
    uint32_t hash;
    absl::string_view queue_name;
    absl::string_view task_id;

    absl::string_view queue() const { return queue_name; }
    absl::string_view id() const { return task_id; }
  };
  struct Hash {
    using is_transparent = void;
    template <class T>
    size_t operator()(const T& entry) const {
      return entry.hash * uint64_t{0x9E3779B97F4A7C15};  // Spread over the bits that the table looks at.
    }
  };
  struct Equal {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return a.hash == b.hash && a.id() == b.id() && a.queue() == b.queue();
    }
  };

  static Key KeyOf(absl::string_view queue, absl::string_view id) {
    return {static_cast<uint32_t>(absl::HashOf(queue, id)), queue, id};
  }
  static Key KeyOf(absl::string_view name) { return KeyOf(task::QueueOf(name), IdOf(name)); }
  static Key KeyOf(const Record& record) { return KeyOf(record.queue->name, record.id()); }

  absl::flat_hash_set<Entry, Hash, Equal> entries_;
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_RECORD_TABLE_H_
