#include "server/store/log/end_file.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/store/log/crc32c.h"
#include "server/store/log/little_endian.h"
#include "server/store/log/segment_files.h"

namespace errand::store::log {
namespace {

// A half: magic | u32 version | u32 checksum of what follows | u64, u64 place | zeros.
constexpr absl::string_view kMagic("errandnd", 8);
constexpr size_t kVersionAt = 8;
constexpr size_t kCrcAt = 12;
constexpr size_t kPlaceAt = 16;
constexpr size_t kUsedBytes = 32;
// A block of its own for each: what is torn as it is written is one of them.
constexpr size_t kHalfBytes = 4096;
constexpr size_t kHalves = 2;

std::string Format(Place place) {
  std::string half(kHalfBytes, '\0');
  std::copy(kMagic.begin(), kMagic.end(), half.begin());
  PutLittleEndian(kFormatVersion, half.data() + kVersionAt);
  PutLittleEndian(place.segment, half.data() + kPlaceAt);
  PutLittleEndian(place.offset, half.data() + kPlaceAt + 8);
  PutLittleEndian(Crc32c(absl::string_view(half).substr(kPlaceAt, kUsedBytes - kPlaceAt)),
                  half.data() + kCrcAt);
  return half;
}

// What a half says; segment 0 if it is not whole.
Place Parse(absl::string_view half) {
  const bool whole =
      half.size() >= kUsedBytes && absl::StartsWith(half, kMagic) &&
      GetLittleEndian<uint32_t>(half.data() + kVersionAt) == kFormatVersion &&
      GetLittleEndian<uint32_t>(half.data() + kCrcAt) == Crc32c(half.substr(kPlaceAt, kUsedBytes - kPlaceAt));
  if (!whole) return {};
  return {GetLittleEndian<uint64_t>(half.data() + kPlaceAt),
          GetLittleEndian<uint64_t>(half.data() + kPlaceAt + 8)};
}

// What the halves say; NOT_FOUND if there is no file.
absl::StatusOr<std::pair<Place, Place>> ReadHalves(const FileSystem& folder) {
  const absl::StatusOr<std::unique_ptr<File>> file = folder.OpenToRead(kEndName);
  if (absl::IsNotFound(file.status())) return absl::NotFoundError("END is missing");
  if (!file.ok()) return file.status();
  std::string bytes(kHalves * kHalfBytes, '\0');
  const absl::StatusOr<size_t> read = (*file)->Read(0, absl::MakeSpan(bytes));
  if (!read.ok()) return read.status();
  bytes.resize(*read);
  const size_t first = std::min(bytes.size(), kHalfBytes);
  return std::pair(Parse(absl::string_view(bytes).substr(0, first)),
                   Parse(absl::string_view(bytes).substr(first)));
}

}  // namespace

absl::StatusOr<Place> ReadEnd(const FileSystem& folder) {
  const auto halves = ReadHalves(folder);
  if (!halves.ok()) return halves.status();
  const Place place = std::max(halves->first, halves->second);
  if (place == Place()) return absl::NotFoundError("END is not whole");
  return place;
}

absl::Status EndsEarly(Place end, Place synced) {
  if (end.segment < synced.segment) {
    const uint64_t missing = end.segment == 0 ? synced.segment : end.segment + 1;
    return absl::DataLossError(absl::StrCat(SegmentName(missing), " is missing"));
  }
  return absl::DataLossError(absl::StrCat(SegmentName(end.segment), " is damaged at byte ", end.offset,
                                          ": what was written up to byte ", synced.offset,
                                          " had been synced"));
}

absl::StatusOr<EndFile> EndFile::Open(FileSystem* folder) {
  EndFile end(folder);
  const auto halves = ReadHalves(*folder);
  if (absl::IsNotFound(halves.status())) return end;
  if (!halves.ok()) return halves.status();
  end.place_ = std::max(halves->first, halves->second);
  end.next_ = halves->first > halves->second ? 1 : 0;
  return end;
}

absl::Status EndFile::Say(Place place) {
  if (place <= place_) return absl::OkStatus();
  const bool first = file_ == nullptr;
  if (first) {
    absl::StatusOr<std::unique_ptr<File>> file = folder_->Open(kEndName);
    if (!file.ok()) return file.status();
    // Both halves have their room from the beginning.
    const absl::StatusOr<uint64_t> size = (*file)->Size();
    absl::Status made = size.status();
    if (made.ok() && *size < kHalves * kHalfBytes)
      made = (*file)->Write(*size, std::string(kHalves * kHalfBytes - *size, '\0'));
    if (!made.ok()) return made;
    file_ = *std::move(file);
  }
  absl::Status said = file_->Write(next_ * kHalfBytes, Format(place));
  if (said.ok()) said = file_->Sync();
  if (said.ok() && first) said = folder_->SyncFolder();
  if (!said.ok()) {
    if (first) file_ = nullptr;
    return said;
  }
  place_ = place;
  next_ = 1 - next_;
  return absl::OkStatus();
}

absl::Status EndFile::CheckInPlace() const {
  return file_ == nullptr ? absl::OkStatus() : file_->CheckInPlace();
}

}  // namespace errand::store::log
