#ifndef ERRAND_SERVER_STORE_LOG_LOG_READER_H_
#define ERRAND_SERVER_STORE_LOG_LOG_READER_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/log/record_format.h"
#include "server/store/log/segment_files.h"
#include "server/store/log/segment_reader.h"

namespace errand::store::log {

// Where a log ends.
struct LogEnd {
  Place end;                  // Behind the last whole group; segment 0 of an empty log.
  bool torn = false;          // Behind it are remains of a write that was interrupted.
  uint64_t next_segment = 1;  // What is written from now on begins with this one.
  uint64_t not_begun = 0;     // A last segment that holds nothing: to be released.
  std::vector<uint64_t> without_index;
};

// Reads all segments in order, and syncs the last one: what was read is durable. Of a segment that has an
// index that is read instead: `visit` gets records without attachments then.
// DATA_LOSS, naming file and offset, when something is missing that was once synced. Changes nothing.
absl::StatusOr<LogEnd> ReadLog(SegmentFiles& files, Visit visit);

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_LOG_READER_H_
