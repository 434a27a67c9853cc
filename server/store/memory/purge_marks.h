#ifndef ERRAND_SERVER_STORE_MEMORY_PURGE_MARKS_H_
#define ERRAND_SERVER_STORE_MEMORY_PURGE_MARKS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace errand::store {

// Which queues were purged, and when: as the lease that would be given out next, so that it can be compared
// with the lease of an attempt. A queue takes nothing from attempts, and families, that had begun before its
// purge: scripts that make each other do not fill it again behind the purge. Queues come and go; their marks
// stay. Guarded by the store's mutex.
class PurgeMarks {
 public:
  // The oldest mark goes when there would be more.
  static constexpr size_t kMaxMarks = 10'000;

  void Set(const std::string& queue, uint64_t lease) {
    marks_[queue] = lease;
    if (marks_.size() <= kMaxMarks) return;
    marks_.erase(std::min_element(marks_.begin(), marks_.end(),
                                  [](const auto& a, const auto& b) { return a.second < b.second; }));
  }

  // Whether the queue was purged after what began with `lease`.
  bool IsAfter(absl::string_view queue, uint64_t lease) const {
    const auto it = marks_.find(queue);
    return it != marks_.end() && lease < it->second;
  }

  // By queue.
  const absl::flat_hash_map<std::string, uint64_t>& all() const { return marks_; }

 private:
  absl::flat_hash_map<std::string, uint64_t> marks_;
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_PURGE_MARKS_H_
