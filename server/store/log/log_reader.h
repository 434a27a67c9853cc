#ifndef ERRAND_SERVER_STORE_LOG_LOG_READER_H_
#define ERRAND_SERVER_STORE_LOG_LOG_READER_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/log/record_format.h"
#include "server/store/log/segment_files.h"

namespace errand::store::log {

// Where a log ends.
struct LogEnd {
  Place end;                  // Behind the last whole group; segment 0 of an empty log.
  bool torn = false;          // Behind it are remains of a write that was interrupted.
  uint64_t next_segment = 1;  // What is written from now on begins with this one.
};

// Reads all segments in order, as ReadSegment does, and syncs the last one: what was read is durable.
// DATA_LOSS when something is missing that was once synced; nothing was changed then.
absl::StatusOr<LogEnd> ReadLog(SegmentFiles& files,
                               absl::FunctionRef<absl::Status(Place, const Record&)> visit);

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_LOG_READER_H_
