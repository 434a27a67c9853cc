#ifndef ERRAND_SERVER_STORE_LOG_COMMITTER_H_
#define ERRAND_SERVER_STORE_LOG_COMMITTER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/store/log/file_system.h"
#include "server/store/log/record_format.h"
#include "server/store/log/segment_files.h"

namespace errand::store::log {

// Writes records to the log, on one thread of its own: what is appended while one write is synced makes the
// next one, so that the more there is to do, the more one sync serves.
//
// After the first write or sync that fails nothing is written any more: what the disk has is not known then.
// Any thread; in the order of the calls.
class Committer {
 public:
  using Callback = absl::AnyInvocable<void(const absl::Status&)>;

  // Begins with segment `first`. All before that is durable; `synced` is where it ends. `files` is borrowed.
  // What nobody waits for is synced after at most `max_unsynced`.
  Committer(SegmentFiles* files, uint64_t first, Place synced,
            absl::Duration max_unsynced = absl::Milliseconds(50));
  // Writes and syncs what was appended; every callback has been called when it returns.
  ~Committer();

  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  // Appends records of which all count or none, and says where the first one will stand; the others follow,
  // RecordBytes each. Together they fit into a segment (MaxGroupBytes). Copies the bodies.
  Place Append(absl::Span<Record> group);
  uint64_t MaxGroupBytes() const { return files_->segment_bytes() - kSegmentHeaderBytes - 64; }

  // Calls `done`, on the committer's thread, once what was appended before is durable, or it is known that it
  // will not be: UNAVAILABLE. Must not block.
  void WhenSynced(Callback done);
  // The same once it is written: it would survive the end of this process, but not of the machine.
  void WhenWritten(Callback done);

  // Whether all that was appended is durable, and whoever waited for that has been told.
  bool IsSynced() const;

  // OK, or why nothing is written any more.
  absl::Status status() const;

 private:
  // What is written at once: a mark, and groups.
  struct Chunk {
    Place place;
    std::string bytes;  // Begins with room for the mark.
  };
  struct Waiter {
    Callback done;
    bool for_sync;
  };
  struct Work {
    std::vector<Chunk> chunks;
    std::vector<Waiter> waiters;
    bool sync = false;  // One of them waits for that.
  };

  void AddWaiter(Callback done, bool for_sync);
  void Run();
  absl::Status Write(std::vector<Chunk>& chunks);
  absl::Status Sync();
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return closing_ || !work_.chunks.empty() || !work_.waiters.empty();
  }

  SegmentFiles* const files_;
  const absl::Duration max_unsynced_;

  mutable absl::Mutex mu_;
  Work work_ ABSL_GUARDED_BY(mu_);
  Place next_ ABSL_GUARDED_BY(mu_);  // Where the next group goes, if it fits there.
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  bool synced_all_ ABSL_GUARDED_BY(mu_) = true;  // All that the thread has taken over.

  // Owned by the thread.
  uint64_t segment_ = 0;  // The one that `file_` is.
  std::shared_ptr<File> file_;
  Place written_;
  Place synced_;
  absl::Time unsynced_since_ = absl::InfiniteFuture();
  std::vector<Waiter> sync_waiters_;

  std::thread thread_;
};

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_COMMITTER_H_
