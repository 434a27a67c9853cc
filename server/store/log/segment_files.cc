#include "server/store/log/segment_files.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

namespace errand::store::log {
namespace {

constexpr absl::string_view kSegmentSuffix = ".segment";
constexpr absl::string_view kSpareSuffix = ".spare";
constexpr absl::string_view kIndexSuffix = ".index";
constexpr absl::string_view kUnfinishedSuffix = ".unfinished";
constexpr absl::string_view kUnfinishedSegmentSuffix = ".segment.unfinished";
constexpr absl::string_view kRepairSuffix = ".repair";
constexpr absl::string_view kDamagedSuffix = ".damaged";
constexpr size_t kZerosAtOnce = 1 << 20;
// Enough for bursts; what is beyond that goes back to the disk.
constexpr size_t kMaxSpares = 4;
// How often the disk's space is looked at.
constexpr absl::Duration kSpaceInterval = absl::Milliseconds(250);
// How often a spare is tried that the disk has refused though it says that there is room: it may be a
// quota's.
constexpr absl::Duration kRefusedInterval = absl::Seconds(5);

// The number in `name` before `suffix`; 0 if that is not what it is.
uint64_t NumberBefore(absl::string_view suffix, absl::string_view name) {
  uint64_t number = 0;
  if (!absl::ConsumeSuffix(&name, suffix) || name.size() != 16) return 0;
  return absl::SimpleHexAtoi(name, &number) ? number : 0;
}

}  // namespace

std::string SegmentName(uint64_t number) {
  return absl::StrCat(absl::Hex(number, absl::kZeroPad16), kSegmentSuffix);
}

uint64_t SegmentNumber(absl::string_view name) { return NumberBefore(kSegmentSuffix, name); }

std::string IndexName(uint64_t number) {
  return absl::StrCat(absl::Hex(number, absl::kZeroPad16), kIndexSuffix);
}

uint64_t IndexNumber(absl::string_view name) { return NumberBefore(kIndexSuffix, name); }

std::string UnfinishedSegmentName(uint64_t number) {
  return absl::StrCat(SegmentName(number), kUnfinishedSuffix);
}

uint64_t UnfinishedSegmentNumber(absl::string_view name) {
  return NumberBefore(kUnfinishedSegmentSuffix, name);
}

std::string RepairName(uint64_t first) {
  return absl::StrCat(absl::Hex(first, absl::kZeroPad16), kRepairSuffix);
}

uint64_t RepairNumber(absl::string_view name) { return NumberBefore(kRepairSuffix, name); }

std::string DamagedName(absl::string_view name) { return absl::StrCat(name, kDamagedSuffix); }

absl::Status CheckNoRepair(const std::vector<std::string>& names) {
  const bool begun = std::any_of(names.begin(), names.end(),
                                 [](const std::string& name) { return RepairNumber(name) != 0; });
  if (!begun) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "a repair was interrupted: run errandd with --repair_data once more, to end it");
}

absl::StatusOr<std::unique_ptr<SegmentFiles>> SegmentFiles::Open(FileSystem* file_system,
                                                                 SegmentOptions options) {
  std::unique_ptr<SegmentFiles> files(new SegmentFiles(file_system, std::move(options)));
  if (absl::Status scanned = files->Scan(); !scanned.ok()) return scanned;
  files->LookAtSpace();
  return files;
}

absl::Status SegmentFiles::Start(Place end) {
  if (absl::Status removed = RemoveLeftovers(); !removed.ok()) return removed;
  // On a full disk a folder that has no END yet gets one with the next segment.
  absl::Status said = end == Place() ? absl::OkStatus() : SayEnd(end);
  if (!said.ok() && !absl::IsResourceExhausted(said)) return said;
  maker_ = std::thread([this] { KeepOneSpare(); });
  return absl::OkStatus();
}

SegmentFiles::~SegmentFiles() {
  {
    absl::MutexLock lock(&mu_);
    closing_ = true;
  }
  maker_wanted_.Signal();
  if (maker_.joinable()) maker_.join();
}

absl::Status SegmentFiles::Scan() {
  const absl::StatusOr<std::vector<std::string>> names = file_system_->List();
  if (!names.ok()) return names.status();
  if (absl::Status whole = CheckNoRepair(*names); !whole.ok()) return whole;
  absl::StatusOr<EndFile> end = EndFile::Open(file_system_);
  if (!end.ok()) return end.status();
  end_ = std::make_unique<EndFile>(*std::move(end));
  absl::MutexLock lock(&mu_);
  for (const std::string& name : *names) {
    if (const uint64_t number = SegmentNumber(name); number != 0) {
      absl::StatusOr<std::unique_ptr<File>> file = file_system_->Open(name);
      if (!file.ok()) return file.status();
      segments_.emplace(number, *std::move(file));
    } else if (absl::EndsWith(name, kSpareSuffix) || absl::EndsWith(name, kUnfinishedSuffix)) {
      const absl::StatusOr<bool> kept = KeepSpare(name);
      if (!kept.ok()) return kept.status();
      if (!*kept) leftovers_.push_back(name);
    }
  }
  spare_wanted_ = spares_.empty();
  for (const std::string& name : *names) {
    const uint64_t number = IndexNumber(name);
    if (number != 0 && !segments_.contains(number)) leftovers_.push_back(name);
  }
  return absl::OkStatus();
}

absl::Status SegmentFiles::RemoveLeftovers() const {
  for (const std::string& name : leftovers_) {
    if (absl::Status removed = file_system_->Remove(name); !removed.ok()) return removed;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> SegmentFiles::KeepSpare(absl::string_view name) {
  const std::string spare(name);
  uint64_t id = 0;
  if (!absl::ConsumeSuffix(&name, kSpareSuffix) || !absl::SimpleAtoi(name, &id)) return false;
  const absl::StatusOr<std::unique_ptr<File>> file = file_system_->OpenToRead(spare);
  if (!file.ok()) return file.status();
  const absl::StatusOr<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  // Another size is that of a server that was told otherwise.
  if (*size != options_.segment_bytes || spares_.size() >= kMaxSpares) return false;
  spares_.push_back(spare);
  next_spare_ = std::max(next_spare_, id + 1);
  return true;
}

std::vector<uint64_t> SegmentFiles::Numbers() const {
  absl::MutexLock lock(&mu_);
  std::vector<uint64_t> numbers;
  for (const auto& [number, file] : segments_) numbers.push_back(number);
  return numbers;
}

size_t SegmentFiles::Count() const {
  absl::MutexLock lock(&mu_);
  return segments_.size();
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
  const absl::StatusOr<uint64_t> size = file->Size();
  if (!size.ok()) return size.status();
  const std::string header = FormatSegmentHeader(
      {.version = kFormatVersion, .number = number, .previous_end = previous_end, .file_bytes = *size});
  if (absl::Status written = file->Write(0, header); !written.ok()) return written;
  if (absl::Status synced = file->Sync(); !synced.ok()) return synced;
  if (absl::Status synced = file_system_->SyncFolder(); !synced.ok()) return synced;
  absl::MutexLock lock(&mu_);
  segments_[number] = file;
  spare_wanted_ = spares_.empty();
  if (spare_wanted_) maker_wanted_.Signal();
  return file;
}

absl::Status SegmentFiles::CheckInPlace() const {
  absl::Status in_place = file_system_->CheckInPlace();
  if (in_place.ok()) in_place = end_->CheckInPlace();
  // One by one, so that nobody waits long.
  for (uint64_t next = 0; in_place.ok();) {
    absl::MutexLock lock(&mu_);
    const auto found = segments_.lower_bound(next);
    if (found == segments_.end()) break;
    in_place = found->second->CheckInPlace();
    next = found->first + 1;
  }
  return in_place;
}

absl::Status SegmentFiles::AddIndex(uint64_t number, absl::string_view index) const {
  const std::string unfinished = absl::StrCat(IndexName(number), kUnfinishedSuffix);
  const absl::StatusOr<std::unique_ptr<File>> file = file_system_->Open(unfinished);
  if (!file.ok()) return file.status();
  absl::Status made = (*file)->Write(0, index);
  if (made.ok()) made = (*file)->Sync();
  if (made.ok()) made = file_system_->Rename(unfinished, IndexName(number));
  if (!made.ok()) (void)file_system_->Remove(unfinished);  // Whatever it is, `made` says it.
  return made;
}

absl::Status SegmentFiles::Release(uint64_t number) {
  std::string spare;
  {
    absl::MutexLock lock(&mu_);
    const auto found = segments_.find(number);
    if (found == segments_.end()) return absl::NotFoundError(absl::StrCat("no ", SegmentName(number)));
    // Whoever reads it goes on reading what it is now: then the file cannot have another use.
    const bool held = found->second.use_count() > 1;
    const absl::StatusOr<uint64_t> size = found->second->Size();
    segments_.erase(found);
    if (!held && size.ok() && *size == options_.segment_bytes && spares_.size() < kMaxSpares) {
      spare = absl::StrCat(next_spare_++, kSpareSuffix);
    }
  }
  // Without the segment its index would be removed at the next start.
  absl::Status removed = file_system_->Remove(IndexName(number));
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  if (spare.empty()) return file_system_->Remove(SegmentName(number));
  if (absl::Status renamed = file_system_->Rename(SegmentName(number), spare); !renamed.ok()) return renamed;
  // Else it might be back under its former name after a loss of power, with what its next use has written.
  if (absl::Status synced = file_system_->SyncFolder(); !synced.ok()) return synced;
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
    for (uint64_t offset = 0; offset < options_.segment_bytes; offset += zeros.size()) {
      const size_t size = std::min<uint64_t>(zeros.size(), options_.segment_bytes - offset);
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
    bool wanted = false;
    {
      absl::MutexLock lock(&mu_);
      const clock::Instant look = clock::Instant::Now() + kSpaceInterval;
      while (!closing_ && (!spare_wanted_ || spare_refused_) && clock::Instant::Now() < look) {
        maker_wanted_.WaitUntil(&mu_, look);
      }
      if (closing_) return;
      wanted = spare_wanted_;
    }
    if (!wanted) spare_refused_ = false;
    LookAtSpace();
    if (!wanted || (spare_refused_ && !MayHaveRoom())) continue;
    // If that fails Begin tries itself, and says why.
    absl::StatusOr<std::string> spare = MakeSpare();
    spare_refused_ = absl::IsResourceExhausted(spare.status());
    try_spare_again_ = clock::Instant::Now() + kRefusedInterval;
    LookAtSpace();
    absl::MutexLock lock(&mu_);
    if (spare.ok()) spares_.push_back(*std::move(spare));
    // A Begin that has found none meanwhile is not in want of another.
    spare_wanted_ = spare_refused_;
  }
}

bool SegmentFiles::MayHaveRoom() const {
  const absl::StatusOr<uint64_t> free = file_system_->FreeBytes();
  return (free.ok() && *free > options_.segment_bytes) || clock::Instant::Now() >= try_spare_again_;
}

void SegmentFiles::LookAtSpace() {
  // A disk that does not say is taken for one with space: what is written will tell.
  const absl::StatusOr<uint64_t> free = file_system_->FreeBytes();
  const bool low = spare_refused_ || (free.ok() && *free < options_.min_free_bytes);
  const Space space = IsFull() ? Space::kNone : low ? Space::kLow : Space::kEnough;
  if (space_.exchange(space, std::memory_order_relaxed) != space && options_.on_space) {
    options_.on_space(space, free.value_or(0));
  }
}

}  // namespace errand::store::log
