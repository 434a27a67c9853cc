#ifndef ERRAND_SERVER_STORE_LOG_COMMITTER_H_
#define ERRAND_SERVER_STORE_LOG_COMMITTER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/clock/condition_variable.h"
#include "server/clock/instant.h"
#include "server/store/log/file_system.h"
#include "server/store/log/record_format.h"
#include "server/store/log/segment_files.h"

namespace errand::store::log {

// Writes the log, on one thread of its own: what is given to it while one write is synced makes the next one,
// so that the more there is to do, the more one sync serves.
//
// A full disk is waited for: what was given is written once there is space. After any other write or sync
// that fails nothing is written any more: what the disk has is not known then. Any thread; in the order of
// the calls.
class Committer {
 public:
  using Callback = absl::AnyInvocable<void(const absl::Status&)>;

  // All that was written before is durable; `synced` is where it ends. `files` is borrowed, and started. What
  // nobody waits for is synced after at most `max_unsynced`. Calls `failed`, on its thread, once, if
  // nothing is written any more, with why: StoreFailure.
  Committer(SegmentFiles* files, Place synced, Callback failed = nullptr,
            absl::Duration max_unsynced = absl::Milliseconds(50));
  // Writes and syncs what there is; every callback has been called when it returns. A disk that is full is
  // waited for no longer.
  ~Committer();

  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  // Has bytes written, behind those before or where the records of a new segment begin. Copies them.
  void Write(Place place, absl::string_view bytes);

  // Calls `done`, on the committer's thread, once what was given before is durable, or it is known that it
  // will not be: StoreFailure; or the disk has been full for a second, which `files` are told: StillUnsafe.
  // Must not block.
  void WhenSynced(Callback done);
  // The same, behind all that wait for this sync with WhenSynced; a full disk is waited for.
  void AfterSynced(Callback done);
  // The same as WhenSynced once it is written: it would survive the end of this process, but not of the
  // machine.
  void WhenWritten(Callback done);

  // What was given and is not written yet.
  uint64_t unwritten_bytes() const;
  // Of that, the record at `place`. Empty: it is written.
  std::string Unwritten(Place place) const;

  // Whether all that was given is durable, and whoever waited for that has been told.
  bool IsSynced() const;
  // What stands before these places is durable, or written.
  Place synced() const;
  Place written() const;

  // From now on a disk that is full has failed.
  void StopWaitingForSpace();

  // OK, or why nothing is written any more.
  absl::Status status() const;

 private:
  // Bytes that follow one another.
  struct Chunk {
    Place place;
    std::string bytes;
  };
  struct Work {
    std::vector<Chunk> chunks;
    std::vector<Callback> for_written;  // Who waits.
    std::vector<Callback> for_synced;
    std::vector<Callback> after_synced;

    bool syncs() const { return !for_synced.empty() || !after_synced.empty(); }
    bool empty() const { return chunks.empty() && for_written.empty() && !syncs(); }
  };

  void Run();
  absl::Status WriteAll(const std::vector<Chunk>& chunks);
  // They are written, or never will be.
  void DropChunks();
  absl::Status Sync();
  // Tells those who do not wait for space how it is.
  void TellOfFullDisk();
  // A few times a second: what is written under a name that is gone, or another file's, is lost.
  absl::Status CheckInPlace();
  // Does it again as long as the disk is full.
  absl::Status WithSpace(absl::FunctionRef<absl::Status()> write);
  // Changes what there is to do, and wakes the thread if it waits for that.
  void Give(absl::FunctionRef<void(Work&)> change);
  // Waits for something to do, until `deadline`.
  void AwaitWork(clock::Instant deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  SegmentFiles* const files_;
  const absl::Duration max_unsynced_;

  mutable absl::Mutex mu_;
  clock::ConditionVariable changed_;
  bool awaits_work_ ABSL_GUARDED_BY(mu_) = false;
  Work work_ ABSL_GUARDED_BY(mu_);
  absl::Status status_ ABSL_GUARDED_BY(mu_);
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  bool waits_for_space_ ABSL_GUARDED_BY(mu_) = true;
  bool synced_all_ ABSL_GUARDED_BY(mu_) = true;  // All that the thread has taken over.
  Place written_ ABSL_GUARDED_BY(mu_);
  Place synced_ ABSL_GUARDED_BY(mu_);

  uint64_t unwritten_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  // What the thread is at: others read its chunks, which change with the mutex held.
  Work taken_;

  // Owned by the thread.
  uint64_t segment_ = 0;  // The one that `file_` is.
  std::shared_ptr<File> file_;
  clock::Instant unsynced_since_ = clock::Instant::InfiniteFuture();
  clock::Instant next_look_;
  Callback failed_;

  std::thread thread_;
};

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_COMMITTER_H_
