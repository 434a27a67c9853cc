#ifndef ERRAND_SERVER_STORE_LOG_RECORD_FORMAT_H_
#define ERRAND_SERVER_STORE_LOG_RECORD_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

// The bytes of segments and of the records in them; FORMAT.md has the layout. What bodies mean is not known
// here. Pure functions: any thread.
namespace errand::store::log {

inline constexpr uint32_t kFormatVersion = 1;

// Where the first record of a segment starts. A page of its own for the header: whatever writes records
// does not write there again.
inline constexpr uint64_t kSegmentHeaderBytes = 4096;

inline constexpr size_t kRecordHeaderBytes = 24;
inline constexpr size_t kRecordAlignment = 8;
// Of body and attachment together: more than the largest result of a task and all that is said beside it.
inline constexpr size_t kMaxContentBytes = 96 << 20;

// What a record's place in the log is: both are part of its checksum, so that bytes which a recycled file or
// a misdirected write left there are not taken for a record.
struct Place {
  uint64_t segment = 0;  // From 1.
  uint64_t offset = 0;   // In bytes from the start of the file.

  friend bool operator==(const Place& a, const Place& b) = default;
  friend auto operator<=>(const Place& a, const Place& b) = default;
};

struct Record {
  uint8_t type = 0;        // Not 0.
  bool continues = false;  // The next record belongs to it: both count, or neither.
  absl::string_view body;
  // What whoever reads the log from its start does without; an index has the body only.
  absl::string_view attachment;
};

// What a record takes.
constexpr uint64_t RecordBytes(size_t body_bytes, size_t attachment_bytes = 0) {
  return (kRecordHeaderBytes + body_bytes + attachment_bytes + kRecordAlignment - 1) / kRecordAlignment *
         kRecordAlignment;
}

// Appends the record that is to be written at `place`, but for its checksum.
void AppendUnsealedRecord(const Record& record, std::string& out);
// Gives the last record of `out`, which begins at `begin`, its checksum, and says whether another follows.
void SealRecord(Place place, bool continues, size_t begin, std::string& out);
// Both.
void AppendRecord(const Record& record, Place place, std::string& out);

enum class Parsed {
  kRecord,
  kCutOff,   // The bytes end before the record would.
  kNothing,  // No record of this segment was written there: zeros, or what another use of the file has left.
  kInvalid,  // One seems to have been, but is not whole.
};

// The record that `bytes` start with, read from `place`. `record` views `bytes`.
Parsed ParseRecord(absl::string_view bytes, Place place, Record& record);
// What the record that `bytes` start with seems to take, at least kRecordHeaderBytes of it: to be read whole.
uint64_t ParseRecordBytes(absl::string_view bytes);

struct SegmentHeader {
  uint32_t version = kFormatVersion;
  uint64_t number = 0;
  // Where the log ended when this segment began. All before that is durable, and is all there ever will be.
  Place previous_end;
  // The file was made so large, and only grows; 0: not known, an earlier server has made it.
  uint64_t file_bytes = 0;
};

// The kSegmentHeaderBytes that a segment starts with.
std::string FormatSegmentHeader(const SegmentHeader& header);

// False when `bytes` do not start with a whole header. Of another version only that is known.
bool ParseSegmentHeader(absl::string_view bytes, SegmentHeader& header);

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_RECORD_FORMAT_H_
