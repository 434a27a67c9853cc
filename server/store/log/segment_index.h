#ifndef ERRAND_SERVER_STORE_LOG_SEGMENT_INDEX_H_
#define ERRAND_SERVER_STORE_LOG_SEGMENT_INDEX_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/log/file_system.h"
#include "server/store/log/segment_files.h"
#include "server/store/log/segment_reader.h"

// Beside a segment that has become old stands its index: its records without their attachments, so
// that a start does not read these. It holds nothing that the segment does not, and may be missing.
namespace errand::store::log {

// Makes the index of a segment that ends before the next one begins, and all of whose records are durable.
absl::Status BuildIndex(const SegmentFiles& files, uint64_t number);

// Reads the index of a segment into `bytes`. NOT_FOUND: there is none, or none that is whole.
absl::Status LoadIndex(const FileSystem& file_system, uint64_t number, std::string& bytes);

// As ReadSegment, of an index that was loaded; the records have no attachments.
absl::StatusOr<SegmentEnd> ReadIndex(absl::string_view bytes, Visit visit);

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_SEGMENT_INDEX_H_
