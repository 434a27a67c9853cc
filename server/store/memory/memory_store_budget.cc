// What the memory store tells its budget.
#include "server/store/memory/memory_store.h"

namespace errand::store {

int64_t MemoryStore::MemoryBytes() {
  absl::MutexLock lock(&mu_);
  return budget_.used() + scripts_.bytes();
}

void MemoryStore::Count(Queue& queue, Kept kept, int64_t bytes) {
  budget_.Add(kept, bytes);
  if (kept == Kept::kLive) queue.live_memory += bytes;
}

void MemoryStore::CountNew(Record& record) {
  if (record.history == nullptr) {
    Count(*record.queue, Kept::kLive, record.MemoryBytes());
    return;
  }
  record.history->counted = 0;
  Recount(record);
}

void MemoryStore::Recount(Record& record) {
  if (record.history == nullptr) return;
  History& history = *record.history;
  Count(*record.queue, history.counted_as, -history.counted);
  history.counted = record.MemoryBytes();
  history.counted_as = record.ended() ? Kept::kEnded : Kept::kLive;
  Count(*record.queue, history.counted_as, history.counted);
}

void MemoryStore::CountBodyGone(Record& record) {
  if (record.history == nullptr) Count(*record.queue, Kept::kLive, -int64_t{record.body_size});
  Recount(record);
}

void MemoryStore::CountGone(Record& record) {
  if (record.history == nullptr) {
    Count(*record.queue, Kept::kLive, -record.MemoryBytes());
  } else {
    Count(*record.queue, record.history->counted_as, -record.history->counted);
  }
}

}  // namespace errand::store
