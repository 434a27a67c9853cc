#include "server/store/log/segment_index.h"

#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/store/log/crc32c.h"
#include "server/store/log/little_endian.h"
#include "server/store/log/record_format.h"

namespace errand::store::log {
namespace {

// An index: magic | u32 version | u32 checksum of what follows | u64 the segment's number | u64 where its
// records end | u64, u64 its previous end | entries.
constexpr absl::string_view kMagic("errandix", 8);
constexpr size_t kVersionAt = 8;
constexpr size_t kCrcAt = 12;
constexpr size_t kNumberAt = 16;
constexpr size_t kEndAt = 24;
constexpr size_t kPreviousEndAt = 32;
constexpr size_t kHeaderBytes = 48;

// An entry: u64 offset | u32 bytes of the body | u32 bytes of the attachment | u8 type | body.
constexpr size_t kBodySizeAt = 8;
constexpr size_t kAttachmentSizeAt = 12;
constexpr size_t kTypeAt = 16;
constexpr size_t kEntryBytes = 17;

}  // namespace

absl::Status BuildIndex(const SegmentFiles& files, uint64_t number) {
  const absl::StatusOr<std::shared_ptr<File>> segment = files.Find(number);
  if (!segment.ok()) return segment.status();
  std::string index(kHeaderBytes, '\0');
  const auto add = [&index](Place place, const Record& record, uint64_t /*bytes*/) {
    char entry[kEntryBytes];
    PutLittleEndian(place.offset, entry);
    PutLittleEndian(static_cast<uint32_t>(record.body.size()), entry + kBodySizeAt);
    PutLittleEndian(static_cast<uint32_t>(record.attachment.size()), entry + kAttachmentSizeAt);
    entry[kTypeAt] = static_cast<char>(record.type);
    index.append(entry, sizeof entry);
    index.append(record.body.data(), record.body.size());
    return absl::OkStatus();
  };
  const absl::StatusOr<SegmentEnd> end = ReadSegment(**segment, number, add);
  if (!end.ok()) return end.status();
  std::copy(kMagic.begin(), kMagic.end(), index.begin());
  PutLittleEndian(kFormatVersion, index.data() + kVersionAt);
  PutLittleEndian(number, index.data() + kNumberAt);
  PutLittleEndian(end->offset, index.data() + kEndAt);
  PutLittleEndian(end->previous_end.segment, index.data() + kPreviousEndAt);
  PutLittleEndian(end->previous_end.offset, index.data() + kPreviousEndAt + 8);
  PutLittleEndian(Crc32c(absl::string_view(index).substr(kNumberAt)), index.data() + kCrcAt);
  return files.AddIndex(number, index);
}

absl::Status LoadIndex(const FileSystem& file_system, uint64_t number, std::string& bytes) {
  const std::string name = IndexName(number);
  const absl::StatusOr<std::unique_ptr<File>> file = file_system.OpenToRead(name);
  if (!file.ok()) return file.status();
  const absl::StatusOr<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  bytes.resize(*size);
  const absl::StatusOr<size_t> read = (*file)->Read(0, absl::MakeSpan(bytes));
  if (!read.ok()) return read.status();
  bytes.resize(*read);
  const bool whole = bytes.size() >= kHeaderBytes && absl::StartsWith(bytes, kMagic) &&
                     GetLittleEndian<uint32_t>(bytes.data() + kVersionAt) == kFormatVersion &&
                     GetLittleEndian<uint32_t>(bytes.data() + kCrcAt) ==
                         Crc32c(absl::string_view(bytes).substr(kNumberAt)) &&
                     GetLittleEndian<uint64_t>(bytes.data() + kNumberAt) == number;
  return whole ? absl::OkStatus() : absl::NotFoundError(absl::StrCat(name, " is not whole"));
}

absl::StatusOr<SegmentEnd> ReadIndex(absl::string_view bytes, Visit visit) {
  const auto number = GetLittleEndian<uint64_t>(bytes.data() + kNumberAt);
  SegmentEnd end;
  end.offset = GetLittleEndian<uint64_t>(bytes.data() + kEndAt);
  end.previous_end.segment = GetLittleEndian<uint64_t>(bytes.data() + kPreviousEndAt);
  end.previous_end.offset = GetLittleEndian<uint64_t>(bytes.data() + kPreviousEndAt + 8);
  bytes.remove_prefix(kHeaderBytes);
  while (!bytes.empty()) {
    const size_t body =
        bytes.size() < kEntryBytes ? 0 : GetLittleEndian<uint32_t>(bytes.data() + kBodySizeAt);
    // Its checksum is right: whoever made it did not make it so.
    if (bytes.size() < kEntryBytes + body) {
      return absl::DataLossError(absl::StrCat(IndexName(number), " is cut off"));
    }
    const Place place{number, GetLittleEndian<uint64_t>(bytes.data())};
    const auto attachment = GetLittleEndian<uint32_t>(bytes.data() + kAttachmentSizeAt);
    const Record record{.type = static_cast<uint8_t>(bytes[kTypeAt]),
                        .continues = false,
                        .body = bytes.substr(kEntryBytes, body),
                        .attachment = {}};
    absl::Status visited = visit(place, record, RecordBytes(body, attachment));
    if (!visited.ok()) return visited;
    bytes.remove_prefix(kEntryBytes + body);
  }
  return end;
}

}  // namespace errand::store::log
