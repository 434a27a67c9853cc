#ifndef ERRAND_SERVER_HANDLERS_LUA_SHARED_VALUES_H_
#define ERRAND_SERVER_HANDLERS_LUA_SHARED_VALUES_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/clock/instant.h"

namespace errand::handlers {

// What scripts of a queue share: values by key, for a time. A cache: when a queue has too much, what it did
// not use for the longest time makes room, and when all have too much together, that of the queue that has
// most. One thread at a time.
class SharedValues {
 public:
  explicit SharedValues(size_t max_bytes) : max_bytes_(max_bytes) {}

  static constexpr size_t kMaxKeyBytes = 256;
  static constexpr size_t kMaxValueBytes = 64 << 10;
  static constexpr size_t kMaxQueueBytes = 16 << 20;
  static constexpr size_t kMaxQueues =
      1000;  // Beyond that the queue that was not used for longest is dropped.

  // Empty when there is none. Views what is valid until the next call.
  absl::string_view Get(const std::string& queue, absl::string_view key, clock::Instant now);

  // `value` must not be empty; InvalidArgument when it is too large. Until `expiry`. Keys are at most
  // kMaxKeyBytes.
  absl::Status Set(const std::string& queue, absl::string_view key, absl::string_view value,
                   clock::Instant expiry, clock::Instant now);

  // The same if there is none; whether that was so.
  absl::StatusOr<bool> Add(const std::string& queue, absl::string_view key, absl::string_view value,
                           clock::Instant expiry, clock::Instant now);

  // Adds to an integer, 0 if there is none; what it is then. Values are text, integers a tag and decimal
  // digits. `expiry` is for one that was not there. FailedPrecondition when it is no integer or would not be
  // one.
  absl::StatusOr<int64_t> Increment(const std::string& queue, absl::string_view key, int64_t by,
                                    clock::Instant expiry, clock::Instant now);

  void Delete(const std::string& queue, absl::string_view key);

  size_t bytes(const std::string& queue) const;
  size_t bytes() const { return bytes_; }  // Of all queues.

 private:
  struct Value {
    std::string key;
    std::string value;
    clock::Instant expiry;
  };
  using Recent = std::list<Value>;  // The last used first.
  struct Queue {
    Recent recent;
    absl::flat_hash_map<absl::string_view, Recent::iterator> by_key;
    size_t bytes = 0;
    clock::Instant used;
  };

  static constexpr size_t kOverheadBytes = 128;  // A value, besides its texts.

  // Forgets what a queue did not use for longest; it has something.
  void DropOldest(Queue& queue) { Erase(queue, queue.recent.back().key); }
  void MakeRoom(Queue& queue);
  Queue& Use(const std::string& queue, clock::Instant now);
  Value* Find(Queue& queue, absl::string_view key, clock::Instant now);
  void Erase(Queue& queue, absl::string_view key);
  absl::Status Put(Queue& queue, absl::string_view key, absl::string_view value, clock::Instant expiry);

  const size_t max_bytes_;
  absl::flat_hash_map<std::string, Queue> queues_;
  size_t bytes_ = 0;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_LUA_SHARED_VALUES_H_
