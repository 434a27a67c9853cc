#include "server/handlers/lua/shared_values.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/sandbox/wire.h"

namespace errand::handlers {
namespace {

absl::Status CheckSize(absl::string_view value) {
  if (value.size() <= SharedValues::kMaxValueBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a value has at most ", SharedValues::kMaxValueBytes, " bytes, not ", value.size()));
}

}  // namespace

SharedValues::Queue& SharedValues::Use(const std::string& queue, clock::Instant now) {
  if (queues_.size() >= kMaxQueues && !queues_.contains(queue)) {
    const auto oldest = std::min_element(queues_.begin(), queues_.end(), [](const auto& a, const auto& b) {
      return a.second.used < b.second.used;
    });
    bytes_ -= oldest->second.bytes;
    queues_.erase(oldest);
  }
  Queue& used = queues_[queue];
  used.used = now;
  return used;
}

SharedValues::Value* SharedValues::Find(Queue& queue, absl::string_view key, clock::Instant now) {
  const auto found = queue.by_key.find(key);
  if (found == queue.by_key.end()) return nullptr;
  if (found->second->expiry <= now) {
    Erase(queue, key);
    return nullptr;
  }
  queue.recent.splice(queue.recent.begin(), queue.recent, found->second);
  return &queue.recent.front();
}

void SharedValues::Erase(Queue& queue, absl::string_view key) {
  const auto found = queue.by_key.find(key);
  if (found == queue.by_key.end()) return;
  const Recent::iterator value = found->second;
  const size_t bytes = value->key.size() + value->value.size() + kOverheadBytes;
  queue.bytes -= bytes;
  bytes_ -= bytes;
  queue.by_key.erase(found);
  queue.recent.erase(value);
}

absl::Status SharedValues::Put(Queue& queue, absl::string_view key, absl::string_view value,
                               clock::Instant expiry) {
  if (absl::Status status = CheckSize(value); !status.ok()) return status;
  Erase(queue, key);
  queue.recent.push_front({std::string(key), std::string(value), expiry});
  queue.by_key[queue.recent.front().key] = queue.recent.begin();
  const size_t bytes = key.size() + value.size() + kOverheadBytes;
  queue.bytes += bytes;
  bytes_ += bytes;
  MakeRoom(queue);
  return absl::OkStatus();
}

// For what was put into `queue` last, which stays.
void SharedValues::MakeRoom(Queue& queue) {
  while (queue.bytes > kMaxQueueBytes) DropOldest(queue);
  while (bytes_ > max_bytes_) {
    Queue* most = &queue;
    for (auto& [name, other] : queues_) {
      if (other.bytes > most->bytes) most = &other;
    }
    if (most->recent.size() == 1 && most == &queue) return;
    DropOldest(*most);
  }
}

absl::string_view SharedValues::Get(const std::string& queue, absl::string_view key, clock::Instant now) {
  const auto found = queues_.find(queue);
  if (found == queues_.end()) return {};
  found->second.used = now;
  const Value* value = Find(found->second, key, now);
  return value == nullptr ? absl::string_view() : value->value;
}

absl::Status SharedValues::Set(const std::string& queue, absl::string_view key, absl::string_view value,
                               clock::Instant expiry, clock::Instant now) {
  return Put(Use(queue, now), key, value, expiry);
}

absl::StatusOr<bool> SharedValues::Add(const std::string& queue, absl::string_view key,
                                       absl::string_view value, clock::Instant expiry, clock::Instant now) {
  Queue& used = Use(queue, now);
  if (Find(used, key, now) != nullptr) return false;
  if (absl::Status status = Put(used, key, value, expiry); !status.ok()) return status;
  return true;
}

absl::StatusOr<int64_t> SharedValues::Increment(const std::string& queue, absl::string_view key, int64_t by,
                                                clock::Instant expiry, clock::Instant now) {
  Queue& used = Use(queue, now);
  int64_t integer = 0;
  if (const Value* value = Find(used, key, now); value != nullptr) {
    absl::string_view text = value->value;
    if (!absl::ConsumePrefix(&text, absl::string_view(&sandbox::kJsonTag, 1)) ||
        !absl::SimpleAtoi(text, &integer)) {
      return absl::FailedPreconditionError(absl::StrCat("'", key, "' is not an integer"));
    }
    expiry = value->expiry;
  }
  int64_t sum;
  if (__builtin_add_overflow(integer, by, &sum)) {
    return absl::FailedPreconditionError(absl::StrCat("'", key, "' would be too large for an integer"));
  }
  absl::Status status = Put(used, key, absl::StrCat(absl::string_view(&sandbox::kJsonTag, 1), sum), expiry);
  if (!status.ok()) return status;
  return sum;
}

void SharedValues::Delete(const std::string& queue, absl::string_view key) {
  const auto found = queues_.find(queue);
  if (found != queues_.end()) Erase(found->second, key);
}

size_t SharedValues::bytes(const std::string& queue) const {
  const auto found = queues_.find(queue);
  return found == queues_.end() ? 0 : found->second.bytes;
}

}  // namespace errand::handlers
