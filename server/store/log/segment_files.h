#ifndef ERRAND_SERVER_STORE_LOG_SEGMENT_FILES_H_
#define ERRAND_SERVER_STORE_LOG_SEGMENT_FILES_H_

#include <cstdint>
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
#include "server/store/log/file_system.h"
#include "server/store/log/record_format.h"

namespace errand::store::log {

// `0000000000000001.segment`, the number in hexadecimal; and back, 0 for any other name.
std::string SegmentName(uint64_t number);
uint64_t SegmentNumber(absl::string_view name);

// The files of segments. A file is made as large as it will be, of zeros, before it is needed: syncing bytes
// that go into blocks which exist takes half the time. A segment that is not needed any more becomes a spare
// and the next segment's file. Any thread.
class SegmentFiles {
 public:
  // `file_system` is borrowed. Files of spares that are not whole are removed.
  static absl::StatusOr<std::unique_ptr<SegmentFiles>> Open(FileSystem* file_system, uint64_t segment_bytes);
  ~SegmentFiles();

  SegmentFiles(const SegmentFiles&) = delete;
  SegmentFiles& operator=(const SegmentFiles&) = delete;

  uint64_t segment_bytes() const { return segment_bytes_; }

  // Those there are, in order.
  std::vector<uint64_t> Numbers() const;

  // NOT_FOUND when there is no such segment.
  absl::StatusOr<std::shared_ptr<File>> Find(uint64_t number) const;

  // The file of the segment that begins behind `previous_end`: its header is written and durable. Takes a
  // spare if there is one; the next one is then made in the background. RESOURCE_EXHAUSTED when there is none
  // and the disk is full.
  absl::StatusOr<std::shared_ptr<File>> Begin(uint64_t number, Place previous_end);

  // The segment's bytes are not needed any more; who has the file open may still read it, until it is used
  // again.
  absl::Status Release(uint64_t number);

 private:
  SegmentFiles(FileSystem* file_system, uint64_t segment_bytes)
      : file_system_(file_system), segment_bytes_(segment_bytes) {}

  absl::Status Scan();
  // A file of zeros; its name.
  absl::StatusOr<std::string> MakeSpare();
  void KeepOneSpare();

  FileSystem* const file_system_;
  const uint64_t segment_bytes_;

  mutable absl::Mutex mu_;
  absl::btree_map<uint64_t, std::shared_ptr<File>> segments_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> spares_ ABSL_GUARDED_BY(mu_);  // Their names.
  uint64_t next_spare_ ABSL_GUARDED_BY(mu_) = 1;
  bool spare_wanted_ ABSL_GUARDED_BY(mu_) = false;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;

  std::thread maker_;
};

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_SEGMENT_FILES_H_
