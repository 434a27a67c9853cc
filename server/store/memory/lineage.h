#ifndef ERRAND_SERVER_STORE_MEMORY_LINEAGE_H_
#define ERRAND_SERVER_STORE_MEMORY_LINEAGE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"

namespace errand::store {

struct Record;

// A task's place in a family: the tree of the tasks that scripts have made, below one that a client made. It
// stays while the task is kept, and longer while there are tasks below it.
struct Lineage {
  // A root's has no parent.
  Lineage(uint64_t task_order, Lineage* task_parent)
      : order(task_order),
        parent(task_parent),
        root(task_parent == nullptr ? this : task_parent->root),
        depth(task_parent == nullptr ? 0 : task_parent->depth + 1) {}

  std::string Name() const;
  bool IsBelow(const Lineage& ancestor) const;

  const uint64_t order;  // The task's.
  Lineage* const parent;
  Lineage* const root;  // Of a root: itself.
  const int32_t depth;  // 0: a root.

  Record* record = nullptr;  // Null once the task is forgotten; then `name` is its name.
  std::string name;
  int64_t children = 0;  // Places whose parent this is.
  int64_t living = 0;    // Tasks below this one that have not ended.
  // The task was cancelled with its descendants, and some of these have not ended: none is added.
  bool cancelled = false;
  // Of a root: the lease of the attempt with which its family, as far as it lives, began.
  uint64_t since = 0;
  // Of a root: those below it, by order.
  absl::btree_map<uint64_t, Lineage*> family;
};

// The families of a store's tasks. A task that a client made, and whose script has made none, has no place.
// Guarded by the store's mutex.
class Lineages {
 public:
  // The place of a task, made now if it has none: a root's.
  Lineage* Of(Record& record);
  // Gives a new task, which has not ended, a place below `parent`. `lease` is that of the attempt that made
  // it.
  void Add(Lineage* parent, Record& record, uint64_t lease);

  // Where a task that is made by a task at `place` may not be, since that one, or one above it, was cancelled
  // with its descendants: that place. Null: it may be.
  static const Lineage* CancelledAbove(const Lineage* place);

  // The task has come to its end, or was put back into its queue.
  void Ended(Lineage* place);
  void Revived(Lineage* place);
  // The task is about to be forgotten: that may end the place. `lived`: it had not ended.
  void Forgotten(Lineage* place, bool lived);

  // Marks a place as cancelled with its descendants. False where none of these lives.
  bool Cancel(Lineage* place);
  // Those that are.
  const absl::flat_hash_set<Lineage*>& cancelled() const { return cancelled_; }
  // Those whose mark has gone since the last call, by order.
  std::vector<uint64_t> TakeUncancelled();

  // Null where there is none.
  Lineage* Find(uint64_t order) const;
  // Of a task that is forgotten; of several of that name, the latest.
  Lineage* FindForgotten(absl::string_view name) const;
  size_t size() const { return places_.size(); }

  // For a store that is made again, in the order of the tasks: a place that another task's ancestors tell of,
  // or that of a task itself. `record` is null where the task is not there any more. Nothing is counted.
  Lineage* Restore(uint64_t order, Lineage* parent, std::string name, Record* record);

 private:
  Lineage* New(uint64_t order, Lineage* parent, Record* record);
  void Keep(Lineage* place, std::string name);
  // Takes a place away that nothing needs, and those above it that nothing needs then.
  void Prune(Lineage* place);
  void CheckMark(Lineage* place);

  absl::flat_hash_map<uint64_t, std::unique_ptr<Lineage>> places_;  // By order.
  // Of tasks that are forgotten, by name and order.
  absl::btree_map<std::pair<std::string, uint64_t>, Lineage*> forgotten_;
  absl::flat_hash_set<Lineage*> cancelled_;
  std::vector<uint64_t> uncancelled_;
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_LINEAGE_H_
