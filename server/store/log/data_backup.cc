// Segments are only appended to, and only the oldest ones go. A server that does not need a segment any more
// takes its name from it before the file gets another use: what was copied of a file that still has its name
// afterwards is what was written to that segment. It has said again what of the segment still counts before
// that, so that whoever reads the log's end after it was seen that the segment is gone has that, too. Hence:
//
//   see where the log begins, and that the segment before is not there
//   copy what is new of all segments, up to the last one, where the whole groups end
//   is the first still there? then it was all the time: done. Else without it, once more
//
// What END says before all that has to be in the copy.
#include "server/store/log/data_backup.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/store/log/end_file.h"
#include "server/store/log/record_format.h"
#include "server/store/log/segment_files.h"
#include "server/store/log/segment_reader.h"

namespace errand::store::log {
namespace {

constexpr size_t kCopyAtOnce = 1 << 20;
// More often nobody's server drops segments while one pass is made.
constexpr int kMaxPasses = 10'000;

class Backup {
 public:
  Backup(const FileSystem& from, FileSystem& to) : from_(from), to_(to) {}

  absl::Status Run();
  // Removes what was copied.
  void Undo();

  size_t segments() const { return copies_.size(); }
  uint64_t bytes() const;
  Place end() const { return {copies_.rbegin()->first, copies_.rbegin()->second.bytes}; }

 private:
  struct Copy {
    std::shared_ptr<File> file;
    uint64_t bytes = 0;     // That it has.
    bool complete = false;  // The segment gets no more.
  };

  absl::StatusOr<bool> Exists(uint64_t number) const;
  // The first and the last segment there seem to be; 0 if there is none.
  absl::StatusOr<std::pair<uint64_t, uint64_t>> FindRange() const;
  absl::StatusOr<bool> HasBegun(uint64_t number) const;
  // Whether nothing follows that has begun.
  absl::StatusOr<bool> IsLast(uint64_t number, uint64_t listed) const;
  // Where the whole groups of a segment end; 0 if it has not begun or is gone.
  absl::StatusOr<uint64_t> FindEnd(uint64_t number) const;
  absl::Status Pass();
  absl::Status CopySegment(uint64_t number, uint64_t end);
  // Of segments that are gone now; whether there were any.
  absl::StatusOr<bool> DropCopies();
  // That a copy was made as large as it is.
  static absl::Status SayBytes(uint64_t number, const Copy& copy);
  absl::Status Finish();

  const FileSystem& from_;
  FileSystem& to_;
  std::map<uint64_t, Copy> copies_;
  bool finished_ = false;
};

uint64_t Backup::bytes() const {
  uint64_t bytes = 0;
  for (const auto& [number, copy] : copies_) bytes += copy.bytes;
  return bytes;
}

absl::StatusOr<bool> Backup::Exists(uint64_t number) const {
  const absl::Status opened = from_.OpenToRead(SegmentName(number)).status();
  if (opened.ok()) return true;
  if (absl::IsNotFound(opened)) return false;
  return opened;
}

absl::StatusOr<std::pair<uint64_t, uint64_t>> Backup::FindRange() const {
  const absl::StatusOr<std::vector<std::string>> names = from_.List();
  if (!names.ok()) return names.status();
  if (absl::Status whole = CheckNoRepair(*names); !whole.ok()) return whole;
  uint64_t first = 0;
  uint64_t last = 0;
  for (const std::string& name : *names) {
    const uint64_t number = SegmentNumber(name);
    if (number != 0 && (first == 0 || number < first)) first = number;
    last = std::max(last, number);
  }
  // A list that is made while files come and go may leave some out.
  while (first > 1) {
    const absl::StatusOr<bool> earlier = Exists(first - 1);
    if (!earlier.ok()) return earlier.status();
    if (!*earlier) break;
    --first;
  }
  return std::pair(first, last);
}

absl::StatusOr<bool> Backup::HasBegun(uint64_t number) const {
  const absl::StatusOr<std::unique_ptr<File>> file = from_.OpenToRead(SegmentName(number));
  if (absl::IsNotFound(file.status())) return false;
  if (!file.ok()) return file.status();
  const absl::StatusOr<std::optional<SegmentHeader>> header = ReadHeader(**file, number);
  if (!header.ok()) return header.status();
  return header->has_value();
}

absl::StatusOr<bool> Backup::IsLast(uint64_t number, uint64_t listed) const {
  const absl::StatusOr<bool> followed = HasBegun(number + 1);
  if (!followed.ok()) return followed.status();
  if (*followed) return false;
  if (listed > number + 1) {
    // Unless all of them have gone meanwhile.
    const absl::StatusOr<bool> exists = Exists(number);
    if (!exists.ok()) return exists.status();
    if (*exists)
      return absl::DataLossError(absl::StrCat(SegmentName(number + 1), " is missing, or has no header"));
  }
  // Says so if it has records.
  const absl::StatusOr<uint64_t> end = FindEnd(number + 1);
  if (!end.ok()) return end.status();
  return *end == 0;
}

absl::StatusOr<uint64_t> Backup::FindEnd(uint64_t number) const {
  std::string last_damage;
  for (;;) {
    const absl::StatusOr<std::unique_ptr<File>> file = from_.OpenToRead(SegmentName(number));
    if (absl::IsNotFound(file.status())) return uint64_t{0};
    if (!file.ok()) return file.status();
    const absl::StatusOr<SegmentEnd> end =
        ReadSegment(**file, number, [](Place, const Record&, uint64_t) { return absl::OkStatus(); });
    if (end.ok()) return end->offset;
    if (absl::IsNotFound(end.status())) return uint64_t{0};
    const absl::StatusOr<bool> exists = Exists(number);
    if (!exists.ok()) return exists.status();
    if (!*exists) return uint64_t{0};
    // What is written while it is read may be seen without what was written before. That is there now.
    if (!absl::IsDataLoss(end.status()) || end.status().message() == last_damage) return end.status();
    last_damage = std::string(end.status().message());
  }
}

absl::Status Backup::CopySegment(uint64_t number, uint64_t end) {
  const absl::StatusOr<std::unique_ptr<File>> from = from_.OpenToRead(SegmentName(number));
  // It has gone: the next pass does without it.
  if (absl::IsNotFound(from.status())) return absl::OkStatus();
  if (!from.ok()) return from.status();
  Copy& copy = copies_[number];
  if (copy.file == nullptr) {
    auto file = to_.Open(UnfinishedSegmentName(number));
    if (!file.ok()) return file.status();
    copy.file = *std::move(file);
  }
  std::string buffer;
  while (copy.bytes < end) {
    buffer.resize(std::min<uint64_t>(kCopyAtOnce, end - copy.bytes));
    const absl::StatusOr<size_t> read = (*from)->Read(copy.bytes, absl::MakeSpan(buffer));
    if (!read.ok()) return read.status();
    if (*read == 0) return absl::DataLossError(absl::StrCat(SegmentName(number), " is cut off"));
    buffer.resize(*read);
    if (absl::Status written = copy.file->Write(copy.bytes, buffer); !written.ok()) return written;
    copy.bytes += buffer.size();
  }
  return absl::OkStatus();
}

absl::Status Backup::Pass() {
  const auto range = FindRange();
  if (!range.ok()) return range.status();
  const auto [first, listed] = *range;
  if (first == 0) return absl::OkStatus();
  for (uint64_t number = first;; ++number) {
    // Before its end is looked for: once there is a next one nothing is added.
    const absl::StatusOr<bool> is_last = IsLast(number, listed);
    if (!is_last.ok()) return is_last.status();
    const auto copy = copies_.find(number);
    if (copy == copies_.end() || !copy->second.complete) {
      const absl::StatusOr<uint64_t> end = FindEnd(number);
      if (!end.ok()) return end.status();
      if (*end == 0) return absl::OkStatus();  // It had not begun, or is gone.
      if (absl::Status copied = CopySegment(number, *end); !copied.ok()) return copied;
      const auto made = copies_.find(number);
      if (made == copies_.end()) return absl::OkStatus();
      made->second.complete = !*is_last;
    }
    if (*is_last) return absl::OkStatus();
  }
}

absl::StatusOr<bool> Backup::DropCopies() {
  bool dropped = false;
  for (auto it = copies_.begin(); it != copies_.end();) {
    const absl::StatusOr<bool> exists = Exists(it->first);
    if (!exists.ok()) return exists.status();
    if (*exists) {
      ++it;
      continue;
    }
    if (absl::Status removed = to_.Remove(UnfinishedSegmentName(it->first)); !removed.ok()) return removed;
    it = copies_.erase(it);
    dropped = true;
  }
  return dropped;
}

absl::Status Backup::SayBytes(uint64_t number, const Copy& copy) {
  absl::StatusOr<std::optional<SegmentHeader>> header = ReadHeader(*copy.file, number);
  if (!header.ok()) return header.status();
  if (!header->has_value()) return absl::OkStatus();  // The check of the copy will say it.
  (*header)->file_bytes = copy.bytes;
  return copy.file->Write(0, FormatSegmentHeader(**header));
}

absl::Status Backup::Finish() {
  for (const auto& [number, copy] : copies_) {
    if (absl::Status said = SayBytes(number, copy); !said.ok()) return said;
    if (absl::Status synced = copy.file->Sync(); !synced.ok()) return synced;
  }
  absl::StatusOr<EndFile> end = EndFile::Open(&to_);
  if (!end.ok()) return end.status();
  if (absl::Status said = end->Say(this->end()); !said.ok()) return said;
  // The first one last: what is interrupted is no log that could be taken for a whole one.
  finished_ = true;
  for (auto it = copies_.rbegin(); it != copies_.rend(); ++it) {
    absl::Status renamed = to_.Rename(UnfinishedSegmentName(it->first), SegmentName(it->first));
    if (renamed.ok()) renamed = to_.SyncFolder();
    if (!renamed.ok()) return renamed;
  }
  return absl::OkStatus();
}

absl::Status Backup::Run() {
  const absl::StatusOr<Place> end = ReadEnd(from_);
  if (!end.ok() && !absl::IsNotFound(end.status())) return end.status();
  const Place said = end.value_or(Place());
  for (int pass = 0; pass < kMaxPasses; ++pass) {
    if (absl::Status passed = Pass(); !passed.ok()) return passed;
    const absl::StatusOr<bool> dropped = DropCopies();
    if (!dropped.ok()) return dropped.status();
    if (*dropped) continue;
    if (!copies_.empty()) return this->end() < said ? EndsEarly(this->end(), said) : Finish();
    const auto range = FindRange();
    if (!range.ok()) return range.status();
    const auto [first, last] = *range;
    const absl::StatusOr<bool> begun = HasBegun(first);
    if (!begun.ok()) return begun.status();
    if (*begun) continue;
    const absl::StatusOr<bool> exists = Exists(first);
    if (!exists.ok()) return exists.status();
    if (first != 0 && !*exists) continue;  // It has gone meanwhile.
    if (last > first || (first != 0 && first <= said.segment)) {
      return absl::DataLossError(
          absl::StrCat(SegmentName(first), " is damaged at byte 0: it had begun, and has no header"));
    }
    if (said != Place()) return EndsEarly({}, said);
    return absl::NotFoundError("there is no log yet that could be copied");
  }
  return absl::UnavailableError("the server drops segments faster than they can be copied; try again");
}

void Backup::Undo() {
  for (const auto& [number, copy] : copies_) {
    (void)to_.Remove(UnfinishedSegmentName(number));
    if (finished_) (void)to_.Remove(SegmentName(number));
  }
  (void)to_.Remove(kEndName);
}

}  // namespace

absl::Status BackupData(const FileSystem& from, FileSystem& to, SayLine say) {
  const absl::StatusOr<std::vector<std::string>> there = to.List();
  if (!there.ok()) return there.status();
  if (!there->empty()) {
    return absl::FailedPreconditionError(
        "the folder for the backup is not empty; name one that is not there yet");
  }
  Backup backup(from, to);
  absl::Status copied = backup.Run();
  if (!copied.ok()) {
    backup.Undo();
    if (!absl::IsDataLoss(copied)) return copied;
    return absl::DataLossError(
        absl::StrCat(copied.message(),
                     ": nothing was kept of the backup; stop the server and run errandd with --check_data"));
  }
  say(absl::StrCat("copied: ", backup.segments(), backup.segments() == 1 ? " segment, " : " segments, ",
                   backup.bytes(), " bytes, up to ", SegmentName(backup.end().segment), ", byte ",
                   backup.end().offset));
  absl::Status checked = CheckData(to, say);
  if (!checked.ok()) {
    backup.Undo();
    return absl::Status(checked.code(),
                        "what was copied is damaged: nothing was kept of the backup; stop the "
                        "server and run errandd with --check_data");
  }
  return absl::OkStatus();
}

}  // namespace errand::store::log
