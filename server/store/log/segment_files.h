#ifndef ERRAND_SERVER_STORE_LOG_SEGMENT_FILES_H_
#define ERRAND_SERVER_STORE_LOG_SEGMENT_FILES_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/clock/condition_variable.h"
#include "server/store/log/end_file.h"
#include "server/store/log/file_system.h"
#include "server/store/log/record_format.h"

namespace errand::store::log {

// `0000000000000001.segment`, the number in hexadecimal; and back, 0 for any other name.
std::string SegmentName(uint64_t number);
uint64_t SegmentNumber(absl::string_view name);
std::string IndexName(uint64_t number);
uint64_t IndexNumber(absl::string_view name);

// Of a repair: a segment that it has made anew, the file that says that all from `first` on are whole and to
// be put in the place of what was there before, and what that is called then.
std::string UnfinishedSegmentName(uint64_t number);
uint64_t UnfinishedSegmentNumber(absl::string_view name);
std::string RepairName(uint64_t first);
uint64_t RepairNumber(absl::string_view name);
std::string DamagedName(absl::string_view name);
// FAILED_PRECONDITION: a repair of the folder has to be ended first.
absl::Status CheckNoRepair(const std::vector<std::string>& names);

// What the disk has: `kNone` when what is to be written has found none for a second.
enum class Space { kEnough, kLow, kNone };

struct SegmentOptions {
  uint64_t segment_bytes = uint64_t{64} << 20;
  // With less than this free on the disk space is low. It is so, too, while there is no room for the file of
  // the next segment.
  uint64_t min_free_bytes = 0;
  // Called when that has changed; on a thread of the files'.
  std::function<void(Space space, uint64_t free_bytes)> on_space = nullptr;
};

// The files of segments. A file is made as large as it will be, of zeros, before it is needed: syncing bytes
// that go into blocks which exist takes half the time. A segment that is not needed any more becomes a spare
// and the next segment's file. Any thread.
class SegmentFiles {
 public:
  // `file_system` is borrowed. Looks at what there is, and changes nothing before Start.
  static absl::StatusOr<std::unique_ptr<SegmentFiles>> Open(FileSystem* file_system, SegmentOptions options);
  ~SegmentFiles();

  SegmentFiles(const SegmentFiles&) = delete;
  SegmentFiles& operator=(const SegmentFiles&) = delete;

  // The log that is there ends at `end`: all before that is durable, and nothing is missing. From now on
  // files are made, renamed and removed; spares that are there are kept, but for those that are not whole.
  // Once.
  absl::Status Start(Place end);

  FileSystem& file_system() const { return *file_system_; }
  uint64_t segment_bytes() const { return options_.segment_bytes; }

  // Those there are, in order.
  std::vector<uint64_t> Numbers() const;
  size_t Count() const;
  // Whether the disk has less space than it should; looked at a few times a second.
  bool IsLow() const { return space_.load(std::memory_order_relaxed) != Space::kEnough || IsFull(); }
  // Whether it has none for what is to be written, as who writes says.
  bool IsFull() const { return full_.load(std::memory_order_relaxed); }
  void SetFull(bool full) { full_.store(full, std::memory_order_relaxed); }

  // NOT_FOUND when there is no such segment. Its bytes stay what they are as long as the file is held.
  absl::StatusOr<std::shared_ptr<File>> Find(uint64_t number) const;

  // The file of the segment that begins behind `previous_end`: its header is written and durable. Takes a
  // spare if there is one; the next one is then made in the background. RESOURCE_EXHAUSTED when there is none
  // and the disk is full: may be tried again.
  absl::StatusOr<std::shared_ptr<File>> Begin(uint64_t number, Place previous_end);

  // Where the log was synced up to, at the least, says the file END; segment 0 if it says nothing. SayEnd has
  // it say more, durably; RESOURCE_EXHAUSTED: may be tried again. From Start on for one thread at a time.
  Place said_end() const { return end_->place(); }
  absl::Status SayEnd(Place place) { return end_->Say(place); }

  // UNAVAILABLE, naming it: the folder, its lock, or a file that is needed is gone or was replaced, and not
  // by this server. By the thread that calls SayEnd.
  absl::Status CheckInPlace() const;

  // Puts an index beside a segment.
  absl::Status AddIndex(uint64_t number, absl::string_view index) const;

  // The segment's bytes are not needed any more.
  absl::Status Release(uint64_t number);

 private:
  SegmentFiles(FileSystem* file_system, SegmentOptions options)
      : file_system_(file_system), options_(std::move(options)) {}

  absl::Status Scan();
  absl::Status RemoveLeftovers() const;
  // Of a spare that an earlier server has left: false if it is of no use.
  absl::StatusOr<bool> KeepSpare(absl::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // A file of zeros; its name.
  absl::StatusOr<std::string> MakeSpare();
  void KeepOneSpare();
  // Whether a spare that was refused is worth another try.
  bool MayHaveRoom() const;
  void LookAtSpace();

  FileSystem* const file_system_;
  const SegmentOptions options_;
  std::unique_ptr<EndFile> end_;  // Constant.
  // Of earlier servers, and of no use: removed by Start.
  std::vector<std::string> leftovers_;

  std::atomic<Space> space_{Space::kEnough};
  std::atomic<bool> full_{false};

  mutable absl::Mutex mu_;
  clock::ConditionVariable maker_wanted_;
  absl::btree_map<uint64_t, std::shared_ptr<File>> segments_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> spares_ ABSL_GUARDED_BY(mu_);  // Their names.
  uint64_t next_spare_ ABSL_GUARDED_BY(mu_) = 1;
  bool spare_wanted_ ABSL_GUARDED_BY(mu_) = false;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;

  // Owned by the thread, once that runs.
  bool spare_refused_ = false;      // There was no room for it.
  clock::Instant try_spare_again_;  // At the latest.

  std::thread maker_;
};

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_SEGMENT_FILES_H_
