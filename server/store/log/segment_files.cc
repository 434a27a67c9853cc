#include "server/store/log/segment_files.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace errand::store::log {
namespace {

constexpr absl::string_view kSegmentSuffix = ".segment";
constexpr absl::string_view kSpareSuffix = ".spare";
constexpr absl::string_view kUnfinishedSuffix = ".unfinished";
constexpr size_t kZerosAtOnce = 1 << 20;
// Enough for bursts; what is beyond that goes back to the disk.
constexpr size_t kMaxSpares = 4;

}  // namespace

std::string SegmentName(uint64_t number) {
  return absl::StrCat(absl::Hex(number, absl::kZeroPad16), kSegmentSuffix);
}

uint64_t SegmentNumber(absl::string_view name) {
  uint64_t number = 0;
  if (!absl::ConsumeSuffix(&name, kSegmentSuffix) || name.size() != 16) return 0;
  return absl::SimpleHexAtoi(name, &number) ? number : 0;
}

absl::StatusOr<std::unique_ptr<SegmentFiles>> SegmentFiles::Open(FileSystem* file_system,
                                                                 uint64_t segment_bytes) {
  std::unique_ptr<SegmentFiles> files(new SegmentFiles(file_system, segment_bytes));
  if (absl::Status scanned = files->Scan(); !scanned.ok()) return scanned;
  files->maker_ = std::thread([files = files.get()] { files->KeepOneSpare(); });
  return files;
}

SegmentFiles::~SegmentFiles() {
  {
    absl::MutexLock lock(&mu_);
    closing_ = true;
  }
  if (maker_.joinable()) maker_.join();
}

absl::Status SegmentFiles::Scan() {
  const absl::StatusOr<std::vector<std::string>> names = file_system_->List();
  if (!names.ok()) return names.status();
  absl::MutexLock lock(&mu_);
  for (const std::string& name : *names) {
    if (const uint64_t number = SegmentNumber(name); number != 0) {
      absl::StatusOr<std::unique_ptr<File>> file = file_system_->Open(name);
      if (!file.ok()) return file.status();
      segments_.emplace(number, *std::move(file));
    } else if (absl::EndsWith(name, kSpareSuffix) || absl::EndsWith(name, kUnfinishedSuffix)) {
      // Not worth keeping: of what size it was made is not known.
      if (absl::Status removed = file_system_->Remove(name); !removed.ok()) return removed;
    }
  }
  return absl::OkStatus();
}

std::vector<uint64_t> SegmentFiles::Numbers() const {
  absl::MutexLock lock(&mu_);
  std::vector<uint64_t> numbers;
  for (const auto& [number, file] : segments_) numbers.push_back(number);
  return numbers;
}

absl::StatusOr<std::shared_ptr<File>> SegmentFiles::Find(uint64_t number) const {
  absl::MutexLock lock(&mu_);
  const auto found = segments_.find(number);
  if (found == segments_.end()) return absl::NotFoundError(absl::StrCat("no ", SegmentName(number)));
  return found->second;
}

absl::StatusOr<std::shared_ptr<File>> SegmentFiles::Begin(uint64_t number, Place previous_end) {
  std::string spare;
  {
    absl::MutexLock lock(&mu_);
    if (!spares_.empty()) {
      spare = std::move(spares_.back());
      spares_.pop_back();
    }
  }
  if (spare.empty()) {
    absl::StatusOr<std::string> made = MakeSpare();
    if (!made.ok()) return made.status();
    spare = *std::move(made);
  }
  const std::string name = SegmentName(number);
  if (absl::Status renamed = file_system_->Rename(spare, name); !renamed.ok()) return renamed;
  absl::StatusOr<std::unique_ptr<File>> opened = file_system_->Open(name);
  if (!opened.ok()) return opened.status();
  const std::shared_ptr<File> file = *std::move(opened);
  const std::string header =
      FormatSegmentHeader({.version = kFormatVersion, .number = number, .previous_end = previous_end});
  if (absl::Status written = file->Write(0, header); !written.ok()) return written;
  if (absl::Status synced = file->Sync(); !synced.ok()) return synced;
  if (absl::Status synced = file_system_->SyncFolder(); !synced.ok()) return synced;
  absl::MutexLock lock(&mu_);
  segments_[number] = file;
  spare_wanted_ = spares_.empty();
  return file;
}

absl::Status SegmentFiles::Release(uint64_t number) {
  std::string spare;
  {
    absl::MutexLock lock(&mu_);
    if (segments_.erase(number) == 0) return absl::NotFoundError(absl::StrCat("no ", SegmentName(number)));
    if (spares_.size() < kMaxSpares) spare = absl::StrCat(next_spare_++, kSpareSuffix);
  }
  if (spare.empty()) return file_system_->Remove(SegmentName(number));
  if (absl::Status renamed = file_system_->Rename(SegmentName(number), spare); !renamed.ok()) return renamed;
  absl::MutexLock lock(&mu_);
  spares_.push_back(std::move(spare));
  return absl::OkStatus();
}

absl::StatusOr<std::string> SegmentFiles::MakeSpare() {
  uint64_t id;
  {
    absl::MutexLock lock(&mu_);
    id = next_spare_++;
  }
  const std::string unfinished = absl::StrCat(id, kUnfinishedSuffix);
  std::string spare = absl::StrCat(id, kSpareSuffix);
  const auto make = [&] {
    absl::StatusOr<std::unique_ptr<File>> file = file_system_->Open(unfinished);
    if (!file.ok()) return file.status();
    const std::string zeros(kZerosAtOnce, '\0');
    for (uint64_t offset = 0; offset < segment_bytes_; offset += zeros.size()) {
      const size_t size = std::min<uint64_t>(zeros.size(), segment_bytes_ - offset);
      absl::Status written = (*file)->Write(offset, absl::string_view(zeros).substr(0, size));
      if (!written.ok()) return written;
    }
    if (absl::Status synced = (*file)->Sync(); !synced.ok()) return synced;
    return file_system_->Rename(unfinished, spare);
  };
  if (absl::Status made = make(); !made.ok()) {
    (void)file_system_->Remove(unfinished);  // Whatever it is, `made` says it.
    return made;
  }
  return spare;
}

void SegmentFiles::KeepOneSpare() {
  for (;;) {
    {
      absl::MutexLock lock(&mu_);
      const auto wanted = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return closing_ || spare_wanted_; };
      mu_.Await(absl::Condition(&wanted));
      if (closing_) return;
      spare_wanted_ = false;
    }
    // If that fails Begin tries itself, and says why.
    absl::StatusOr<std::string> spare = MakeSpare();
    if (!spare.ok()) continue;
    absl::MutexLock lock(&mu_);
    spares_.push_back(*std::move(spare));
  }
}

}  // namespace errand::store::log
