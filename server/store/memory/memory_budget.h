#ifndef ERRAND_SERVER_STORE_MEMORY_MEMORY_BUDGET_H_
#define ERRAND_SERVER_STORE_MEMORY_MEMORY_BUDGET_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "server/task/fair_room.h"
#include "server/task/limits.h"

namespace errand::store {

// What a message takes in memory, about: its fields apart, and what the allocator adds.
template <class Message>
int64_t MemoryOf(const Message& message) {
  constexpr int64_t kMessageBytes = 256;
  return static_cast<int64_t>(message.ByteSizeLong()) + kMessageBytes;
}

// What the store keeps in memory, by what becomes of it when it is too much.
enum class Kept {
  kLive,         // Tasks that have not ended, with their events: new ones are refused.
  kEnded,        // Tasks that have ended, with results and events: the oldest go.
  kQueueEvents,  // Events of all tasks of a queue that is watched: the oldest go.
  kRequestIds,   // The oldest are forgotten before their time.
};
constexpr size_t kKeptKinds = 4;

// How many bytes of memory a store may keep of each kind, and how many it does: everything that is kept is
// counted where it comes and where it goes, with what its tables and the allocator take, about. Guarded by
// the store's mutex.
class MemoryBudget {
 public:
  explicit MemoryBudget(int64_t bytes) : bytes_(bytes) {}

  // Shares that come to the whole: 3/8, 1/4, and 1/8 for each of the others and for the scripts, which their
  // registry counts.
  int64_t bound(Kept kept) const {
    switch (kept) {
      case Kept::kLive:
        return bytes_ / 2 - bytes_ / 8;
      case Kept::kEnded:
        return bytes_ / 4;
      case Kept::kQueueEvents:
      case Kept::kRequestIds:
        break;
    }
    return bytes_ / 8;
  }
  int64_t scripts_bound() const { return bytes_ / 8; }
  // What one attempt may put out: it is there several times while it is written, and those of several
  // attempts are.
  int64_t output_bound() const { return std::max(task::kDefaultOutputBytes, bytes_ / 16); }
  int64_t used(Kept kept) const { return used_[static_cast<size_t>(kept)]; }
  int64_t used() const {
    int64_t sum = 0;
    for (const int64_t bytes : used_) sum += bytes;
    return sum;
  }

  void Add(Kept kept, int64_t bytes) { used_[static_cast<size_t>(kept)] += bytes; }

  bool IsOver(Kept kept) const { return used(kept) > bound(kept); }

  // Whether one of several that share a bound, and has `own` of it, may have `more`.
  bool HasRoom(Kept kept, int64_t own, int64_t more) const {
    return task::HasFairRoom(own, more, used(kept), bound(kept));
  }

 private:
  const int64_t bytes_;
  std::array<int64_t, kKeptKinds> used_{};
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_MEMORY_BUDGET_H_
