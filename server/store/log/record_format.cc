#include "server/store/log/record_format.h"

#include <algorithm>

#include "server/store/log/crc32c.h"
#include "server/store/log/little_endian.h"

namespace errand::store::log {
namespace {

// A record: u32 checksum | u32 bytes of the body | u32 bytes of the attachment | u32 segment number, its
// lower half | u8 type | u8 flags | zeros | body | attachment | zeros up to the alignment.
constexpr size_t kBodySizeAt = 4;
constexpr size_t kAttachmentSizeAt = 8;
constexpr size_t kSegmentAt = 12;
constexpr size_t kTypeAt = 16;
constexpr size_t kFlagsAt = 17;
constexpr uint8_t kContinues = 1;

// A segment's header: magic | u32 version | u32 checksum | u64 number | u64, u64 previous end | u64 bytes of
// the file | zeros.
constexpr absl::string_view kMagic("errandlg", 8);
constexpr size_t kVersionAt = 8;
constexpr size_t kHeaderCrcAt = 12;
constexpr size_t kNumberAt = 16;
constexpr size_t kPreviousEndAt = 24;
constexpr size_t kFileBytesAt = 40;

uint32_t RecordCrc(absl::string_view record, Place place) {
  char where[16];
  PutLittleEndian(place.segment, where);
  PutLittleEndian(place.offset, where + 8);
  return Crc32c(record.substr(kBodySizeAt), Crc32c({where, sizeof where}));
}

uint32_t HeaderCrc(absl::string_view header) {
  return Crc32c(header.substr(kNumberAt), Crc32c(header.substr(0, kHeaderCrcAt)));
}

}  // namespace

void AppendUnsealedRecord(const Record& record, std::string& out) {
  const size_t begin = out.size();
  out.resize(begin + RecordBytes(record.body.size(), record.attachment.size()));
  char* const at = out.data() + begin;
  PutLittleEndian(static_cast<uint32_t>(record.body.size()), at + kBodySizeAt);
  PutLittleEndian(static_cast<uint32_t>(record.attachment.size()), at + kAttachmentSizeAt);
  at[kTypeAt] = static_cast<char>(record.type);
  char* const end = std::copy(record.body.begin(), record.body.end(), at + kRecordHeaderBytes);
  std::copy(record.attachment.begin(), record.attachment.end(), end);
}

void SealRecord(Place place, bool continues, size_t begin, std::string& out) {
  char* const at = out.data() + begin;
  PutLittleEndian(static_cast<uint32_t>(place.segment), at + kSegmentAt);
  at[kFlagsAt] = static_cast<char>(continues ? kContinues : 0);
  const size_t content =
      size_t{GetLittleEndian<uint32_t>(at + kBodySizeAt)} + GetLittleEndian<uint32_t>(at + kAttachmentSizeAt);
  PutLittleEndian(RecordCrc({at, kRecordHeaderBytes + content}, place), at);
}

void AppendRecord(const Record& record, Place place, std::string& out) {
  const size_t begin = out.size();
  AppendUnsealedRecord(record, out);
  SealRecord(place, record.continues, begin, out);
}

uint64_t ParseRecordBytes(absl::string_view bytes) {
  return RecordBytes(GetLittleEndian<uint32_t>(bytes.data() + kBodySizeAt),
                     GetLittleEndian<uint32_t>(bytes.data() + kAttachmentSizeAt));
}

Parsed ParseRecord(absl::string_view bytes, Place place, Record& record) {
  if (bytes.size() < kRecordHeaderBytes) return Parsed::kCutOff;
  const size_t body = GetLittleEndian<uint32_t>(bytes.data() + kBodySizeAt);
  const size_t attachment = GetLittleEndian<uint32_t>(bytes.data() + kAttachmentSizeAt);
  const auto type = static_cast<uint8_t>(bytes[kTypeAt]);
  const auto flags = static_cast<uint8_t>(bytes[kFlagsAt]);
  if (GetLittleEndian<uint32_t>(bytes.data() + kSegmentAt) != static_cast<uint32_t>(place.segment) ||
      type == 0) {
    return Parsed::kNothing;
  }
  if (body + attachment > kMaxContentBytes) return Parsed::kInvalid;
  if (bytes.size() < RecordBytes(body, attachment)) return Parsed::kCutOff;
  if (GetLittleEndian<uint32_t>(bytes.data()) !=
      RecordCrc(bytes.substr(0, kRecordHeaderBytes + body + attachment), place)) {
    return Parsed::kInvalid;
  }
  record.type = type;
  record.continues = (flags & kContinues) != 0;
  record.body = bytes.substr(kRecordHeaderBytes, body);
  record.attachment = bytes.substr(kRecordHeaderBytes + body, attachment);
  return Parsed::kRecord;
}

std::string FormatSegmentHeader(const SegmentHeader& header) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  std::copy(kMagic.begin(), kMagic.end(), bytes.begin());
  PutLittleEndian(header.version, bytes.data() + kVersionAt);
  PutLittleEndian(header.number, bytes.data() + kNumberAt);
  PutLittleEndian(header.previous_end.segment, bytes.data() + kPreviousEndAt);
  PutLittleEndian(header.previous_end.offset, bytes.data() + kPreviousEndAt + 8);
  PutLittleEndian(header.file_bytes, bytes.data() + kFileBytesAt);
  PutLittleEndian(HeaderCrc(bytes), bytes.data() + kHeaderCrcAt);
  return bytes;
}

bool ParseSegmentHeader(absl::string_view bytes, SegmentHeader& header) {
  if (bytes.size() < kSegmentHeaderBytes || bytes.substr(0, kMagic.size()) != kMagic) return false;
  bytes = bytes.substr(0, kSegmentHeaderBytes);
  if (GetLittleEndian<uint32_t>(bytes.data() + kHeaderCrcAt) != HeaderCrc(bytes)) return false;
  header.version = GetLittleEndian<uint32_t>(bytes.data() + kVersionAt);
  header.number = GetLittleEndian<uint64_t>(bytes.data() + kNumberAt);
  header.previous_end.segment = GetLittleEndian<uint64_t>(bytes.data() + kPreviousEndAt);
  header.previous_end.offset = GetLittleEndian<uint64_t>(bytes.data() + kPreviousEndAt + 8);
  header.file_bytes = GetLittleEndian<uint64_t>(bytes.data() + kFileBytesAt);
  return true;
}

}  // namespace errand::store::log
