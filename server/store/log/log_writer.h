#ifndef ERRAND_SERVER_STORE_LOG_LOG_WRITER_H_
#define ERRAND_SERVER_STORE_LOG_LOG_WRITER_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "server/store/log/committer.h"
#include "server/store/log/record_format.h"

namespace errand::store::log {

// Says where records stand, and gives them to the committer, group by group. One thread at a time.
class LogWriter {
 public:
  // Begins with segment `first`. A segment ends with the group that makes it about `segment_bytes` large.
  // `committer` is borrowed.
  LogWriter(Committer* committer, uint64_t first, uint64_t segment_bytes)
      : committer_(committer), segment_bytes_(segment_bytes), next_{first, kSegmentHeaderBytes} {}

  // What goes into a segment at the least.
  static uint64_t UsedBytes(uint64_t segment_bytes);

  // Adds a record to the group; where it stands. Copies body and attachment.
  Place Add(uint8_t type, absl::string_view body, absl::string_view attachment = {});
  // Ends the group: of a group all records count, or none. Nothing happens if it is empty.
  void EndGroup();

  // The segment that the last group went to, or the first one.
  uint64_t segment() const { return next_.segment; }

 private:
  void BeginGroup();
  void Seal(bool continues);
  Place PlaceAt(size_t offset) const { return {next_.segment, next_.offset + offset}; }

  Committer* const committer_;
  const uint64_t segment_bytes_;
  Place next_;    // Where the group begins.
  Place marked_;  // What the last mark says.
  std::string group_;
  bool has_record_ = false;
  size_t last_ = 0;  // Where its last record begins in the group.
};

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_LOG_WRITER_H_
