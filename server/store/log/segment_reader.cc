#include "server/store/log/segment_reader.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/store/log/little_endian.h"
#include "server/store/log/segment_files.h"

namespace errand::store::log {
namespace {

constexpr size_t kPlaceBytes = 16;

bool ParsePlace(absl::string_view body, Place& place) {
  if (body.size() != kPlaceBytes) return false;
  place = {GetLittleEndian<uint64_t>(body.data()), GetLittleEndian<uint64_t>(body.data() + 8)};
  return true;
}

absl::Status Damaged(uint64_t number, uint64_t offset, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(SegmentName(number), " is damaged at byte ", offset, ": ", what));
}

absl::Status CutOff(uint64_t number, uint64_t size, uint64_t expected) {
  return Damaged(number, size, absl::StrCat("it ends there, and had ", expected, " bytes"));
}

// What the marks from `offset` on say was synced.
Place FindSynced(absl::string_view bytes, uint64_t number, uint64_t offset) {
  Place synced;
  for (; offset + kSyncMarkBytes <= bytes.size(); offset += kRecordAlignment) {
    Record record;
    Place place;
    const bool is_mark =
        ParseRecord(bytes.substr(offset, kSyncMarkBytes), {number, offset}, record) == Parsed::kRecord &&
        record.type == kSyncMark && ParsePlace(record.body, place);
    if (is_mark) synced = std::max(synced, place);
  }
  return synced;
}

}  // namespace

void AppendSyncMark(Place synced, Place place, std::string& out) {
  char body[kPlaceBytes];
  PutLittleEndian(synced.segment, body);
  PutLittleEndian(synced.offset, body + 8);
  AppendRecord({.type = kSyncMark, .continues = false, .body = {body, sizeof body}, .attachment = {}}, place,
               out);
}

absl::StatusOr<std::optional<SegmentHeader>> ReadHeader(const File& file, uint64_t number) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  const absl::StatusOr<size_t> read = file.Read(0, absl::MakeSpan(bytes));
  if (!read.ok()) return read.status();
  SegmentHeader header;
  const bool whole = ParseSegmentHeader({bytes.data(), *read}, header) && header.number == number;
  return whole ? std::optional(header) : std::nullopt;
}

absl::StatusOr<SegmentEnd> ReadSegment(const File& file, uint64_t number, Visit visit) {
  const absl::StatusOr<uint64_t> size = file.Size();
  if (!size.ok()) return size.status();
  std::string buffer(*size, '\0');
  const absl::StatusOr<size_t> read = file.Read(0, absl::MakeSpan(buffer));
  if (!read.ok()) return read.status();
  const absl::string_view bytes(buffer.data(), *read);

  SegmentHeader header;
  const bool has_header = ParseSegmentHeader(bytes, header);
  if (has_header && header.version != kFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat(SegmentName(number), " is of format version ",
                                                      header.version, "; this server reads version ",
                                                      kFormatVersion));
  }
  if (!has_header || header.number != number) {
    // Records are written once the header is durable.
    if (FindSynced(bytes, number, kSegmentHeaderBytes) != Place()) {
      return Damaged(number, 0, "it has records and no header");
    }
    return absl::NotFoundError(absl::StrCat(SegmentName(number), " had not begun"));
  }

  if (bytes.size() < header.file_bytes) return CutOff(number, bytes.size(), header.file_bytes);

  SegmentEnd end;
  end.previous_end = header.previous_end;
  std::vector<std::pair<Place, Record>> group;
  uint64_t offset = kSegmentHeaderBytes;
  Parsed parsed = Parsed::kNothing;
  while (offset < bytes.size()) {
    const Place place{number, offset};
    Record record;
    parsed = ParseRecord(bytes.substr(offset), place, record);
    if (parsed != Parsed::kRecord) break;
    offset += RecordBytes(record.body.size(), record.attachment.size());
    if (record.type == kSyncMark) {
      Place synced;
      // A group is written at once.
      if (!group.empty() || !ParsePlace(record.body, synced)) {
        return Damaged(number, place.offset, "a mark that does not belong there");
      }
    } else {
      group.emplace_back(place, record);
      if (record.continues) continue;
      for (const auto& [where, whole] : group) {
        const uint64_t size = RecordBytes(whole.body.size(), whole.attachment.size());
        if (absl::Status visited = visit(where, whole, size); !visited.ok()) return visited;
      }
      group.clear();
    }
    end.offset = offset;
  }
  const bool at_the_end = offset + kRecordHeaderBytes > bytes.size();
  end.torn = !group.empty() || (parsed != Parsed::kNothing && !at_the_end);
  const Place synced = FindSynced(bytes, number, end.offset);
  if (synced > Place{number, end.offset}) {
    return Damaged(number, offset,
                   absl::StrCat("what was written up to byte ",
                                synced.segment == number ? synced.offset : bytes.size(), " had been synced"));
  }
  return end;
}

absl::Status CheckNotCutOff(const File& file, uint64_t number, uint64_t bytes) {
  const absl::StatusOr<uint64_t> size = file.Size();
  if (!size.ok()) return size.status();
  return *size < bytes ? CutOff(number, *size, bytes) : absl::OkStatus();
}

}  // namespace errand::store::log
