#include "server/store/log/record_reader.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/store/log/segment_files.h"

namespace errand::store::log {
namespace {

constexpr uint64_t kReadAtOnce = 32 << 10;

}  // namespace

absl::StatusOr<Record> RecordReader::Read(const std::shared_ptr<File>& file, Place place) {
  Record record;
  for (uint64_t wanted = kRecordHeaderBytes;;) {
    const bool has_begin = file == file_ && place.offset >= begin_ && place.offset - begin_ < bytes_.size();
    const absl::string_view bytes =
        has_begin ? absl::string_view(bytes_).substr(place.offset - begin_) : absl::string_view();
    if (bytes.size() >= wanted) {
      const Parsed parsed = ParseRecord(bytes, place, record);
      if (parsed == Parsed::kRecord) return record;
      const uint64_t size = ParseRecordBytes(bytes);
      if (parsed != Parsed::kCutOff || size <= wanted) break;
      wanted = size;
      if (bytes.size() >= wanted) continue;
    }
    absl::Status filled = Fill(file, place, wanted);
    if (!filled.ok()) return filled;
    if (bytes_.size() < wanted) break;
  }
  return absl::DataLossError(absl::StrCat(SegmentName(place.segment), " is damaged at byte ", place.offset));
}

absl::Status RecordReader::Fill(const std::shared_ptr<File>& file, Place place, uint64_t bytes) {
  file_ = file;
  begin_ = place.offset;
  bytes_.resize(std::max(bytes, kReadAtOnce));
  const absl::StatusOr<size_t> read = file->Read(place.offset, absl::MakeSpan(bytes_));
  bytes_.resize(read.value_or(0));
  return read.status();
}

}  // namespace errand::store::log
