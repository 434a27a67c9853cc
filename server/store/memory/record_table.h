#ifndef ERRAND_SERVER_STORE_MEMORY_RECORD_TABLE_H_
#define ERRAND_SERVER_STORE_MEMORY_RECORD_TABLE_H_

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "server/store/memory/record.h"

namespace errand::store {

// Owns the records and finds them by name. It keeps each name's hash beside the pointer: a table that grows
// does not go to a million records in memory to read their names again.
class RecordTable {
 public:
  // Null where there is none.
  Record* Find(absl::string_view name) const {
    const auto it = entries_.find(KeyOf(name));
    return it == entries_.end() ? nullptr : it->record.get();
  }

  // Has the processor fetch what Find and Insert of that name will touch.
  void Prefetch(absl::string_view name) const { entries_.prefetch(KeyOf(name)); }

  // There is no record of that name yet.
  void Insert(std::unique_ptr<Record> record) {
    const size_t hash = KeyOf(record->name()).hash;
    entries_.insert(Entry{hash, std::move(record)});
  }

  // Frees it.
  void Erase(const Record& record) { entries_.erase(entries_.find(KeyOf(record.name()))); }

 private:
  struct Entry {
    size_t hash;
    std::unique_ptr<Record> record;

    absl::string_view name() const { return record->name(); }
  };
  struct Key {
    size_t hash;
    absl::string_view text;

    absl::string_view name() const { return text; }
  };
  struct Hash {
    using is_transparent = void;
    template <class T>
    size_t operator()(const T& entry) const {
      return entry.hash;
    }
  };
  struct Equal {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return a.hash == b.hash && a.name() == b.name();
    }
  };

  static Key KeyOf(absl::string_view name) { return {absl::Hash<absl::string_view>()(name), name}; }

  absl::flat_hash_set<Entry, Hash, Equal> entries_;
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_RECORD_TABLE_H_
