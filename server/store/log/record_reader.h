#ifndef ERRAND_SERVER_STORE_LOG_RECORD_READER_H_
#define ERRAND_SERVER_STORE_LOG_RECORD_READER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/store/log/file_system.h"
#include "server/store/log/record_format.h"

namespace errand::store::log {

// Reads records whose places are known; one read of a file serves those that stand near each other. Of what
// is still being written it may have an older state: to be used for a short time. One thread at a time.
class RecordReader {
 public:
  // The record at `place`, which is in `file`. It is valid until the next call. DATA_LOSS, saying where: that
  // is not what was written there.
  absl::StatusOr<Record> Read(const std::shared_ptr<File>& file, Place place);

 private:
  absl::Status Fill(const std::shared_ptr<File>& file, Place place, uint64_t bytes);

  // What `bytes_` is.
  std::shared_ptr<File> file_;
  uint64_t begin_ = 0;
  std::string bytes_;
};

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_RECORD_READER_H_
