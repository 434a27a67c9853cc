#ifndef ERRAND_SERVER_STORE_LOG_SEGMENT_READER_H_
#define ERRAND_SERVER_STORE_LOG_SEGMENT_READER_H_

#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/log/file_system.h"
#include "server/store/log/record_format.h"

namespace errand::store::log {

// The type of the record that each write begins with. Its body is a Place: what stands before it had been
// synced when this was written.
inline constexpr uint8_t kSyncMark = 1;
inline constexpr size_t kSyncMarkBytes = RecordBytes(16);

// The mark as it is to be written at `place`.
void AppendSyncMark(Place synced, Place place, std::string& out);

// What a segment holds: called for each record, with its place and what it takes. Views are valid during the
// call; an answer that is not OK ends the reading.
using Visit = absl::FunctionRef<absl::Status(Place, const Record&, uint64_t bytes)>;

// Where a segment's records end.
struct SegmentEnd {
  uint64_t offset = kSegmentHeaderBytes;  // Behind the last whole group of records.
  // Behind it are remains of a write that was interrupted: nobody was told of what it should have written.
  bool torn = false;
  // Where the log ended when this segment began.
  Place previous_end;
};

// The header of segment `number`; none if there is no whole one of its own number.
absl::StatusOr<std::optional<SegmentHeader>> ReadHeader(const File& file, uint64_t number);

// Reads the records of segment `number`, group by group, but for the marks.
//
// NOT_FOUND: the segment had not begun when the server that made it ended. DATA_LOSS, naming segment and
// offset: what is there now is not what was once synced, as far as the segment itself knows, or its file is
// smaller than it was made; the next one knows where it ended. FAILED_PRECONDITION: it is of another format
// version.
absl::StatusOr<SegmentEnd> ReadSegment(const File& file, uint64_t number, Visit visit);

// DATA_LOSS, naming segment and offset: the file of segment `number` does not have these bytes any more.
absl::Status CheckNotCutOff(const File& file, uint64_t number, uint64_t bytes);

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_SEGMENT_READER_H_
