// A repair writes the log anew: the changes that can be read and fit together, in segments with numbers
// behind those there are, and a last change that says that all before them may be missing. They are called
// `N.segment.unfinished` until all of them are durable. Then a file `N.repair` says so, N being the first of
// them: from then on the repair is only gone on with. What is older is moved aside, the new segments get
// their names, and the file goes. At last END, which until then says less, says where the new log ends.
#include "server/store/log/data_repair.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/store/log/data_survey.h"
#include "server/store/log/end_file.h"
#include "server/store/log/log_journal.h"
#include "server/store/log/record_format.h"
#include "server/store/log/segment_reader.h"

namespace errand::store::log {
namespace {

constexpr size_t kWriteAtOnce = 1 << 20;

// Writes changes into unfinished segments.
class NewLog {
 public:
  NewLog(FileSystem& folder, uint64_t first, uint64_t segment_bytes)
      : folder_(folder), segment_bytes_(segment_bytes), next_{first, kSegmentHeaderBytes} {}

  absl::Status Add(absl::string_view change, absl::string_view attachment) {
    const uint64_t bytes = RecordBytes(change.size(), attachment.size());
    if (file_ != nullptr && next_.offset > kSegmentHeaderBytes && next_.offset + bytes > segment_bytes_) {
      if (absl::Status ended = EndSegment(); !ended.ok()) return ended;
      const Place end = std::exchange(next_, {next_.segment + 1, kSegmentHeaderBytes});
      if (absl::Status begun = BeginSegment(end); !begun.ok()) return begun;
    }
    if (file_ == nullptr) {
      if (absl::Status begun = BeginSegment({}); !begun.ok()) return begun;
    }
    AppendRecord({.type = kChange, .continues = false, .body = change, .attachment = attachment}, next_,
                 buffer_);
    next_.offset += bytes;
    return buffer_.size() < kWriteAtOnce ? absl::OkStatus() : Flush();
  }

  // All is durable then, and damage to it would be seen.
  absl::Status End() {
    if (absl::Status ended = EndSegment(); !ended.ok()) return ended;
    AppendSyncMark(next_, next_, buffer_);
    next_.offset += kSyncMarkBytes;
    if (absl::Status ended = EndSegment(); !ended.ok()) return ended;
    return folder_.SyncFolder();
  }

 private:
  absl::Status BeginSegment(Place previous_end) {
    auto file = folder_.Open(UnfinishedSegmentName(next_.segment));
    if (!file.ok()) return file.status();
    file_ = *std::move(file);
    header_ = {.version = kFormatVersion, .number = next_.segment, .previous_end = previous_end};
    buffer_ = FormatSegmentHeader(header_);
    written_ = 0;
    return absl::OkStatus();
  }
  absl::Status Flush() {
    absl::Status written = file_->Write(written_, buffer_);
    written_ += buffer_.size();
    buffer_.clear();
    return written;
  }
  absl::Status EndSegment() {
    absl::Status ended = Flush();
    header_.file_bytes = written_;
    if (ended.ok()) ended = file_->Write(0, FormatSegmentHeader(header_));
    return ended.ok() ? file_->Sync() : ended;
  }

  FileSystem& folder_;
  const uint64_t segment_bytes_;
  Place next_;
  std::unique_ptr<File> file_;
  SegmentHeader header_;
  std::string buffer_;  // What is to be written next.
  uint64_t written_ = 0;
};

absl::Status RemoveUnfinished(FileSystem& folder) {
  const absl::StatusOr<std::vector<std::string>> names = folder.List();
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (UnfinishedSegmentNumber(name) == 0) continue;
    if (absl::Status removed = folder.Remove(name); !removed.ok()) return removed;
  }
  return absl::OkStatus();
}

absl::Status WriteNewLog(FileSystem& folder, const DataSurvey& survey, uint64_t first,
                         uint64_t segment_bytes) {
  NewLog log(folder, first, segment_bytes);
  const absl::StatusOr<DataSurvey> kept = SurveyData(
      folder, survey.scriptless,
      [&log](absl::string_view change, absl::string_view attachment) { return log.Add(change, attachment); });
  if (!kept.ok()) return kept.status();
  if (absl::Status added = log.Add(kept->log_dropped, ""); !added.ok()) return added;
  return log.End();
}

// Puts the new log, which begins with segment `first`, in the place of what there was.
absl::Status Replace(FileSystem& folder, uint64_t first, SayLine say) {
  const absl::StatusOr<std::vector<std::string>> names = folder.List();
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const uint64_t number = SegmentNumber(name) + IndexNumber(name);
    if (number == 0 || number >= first) continue;
    if (absl::Status renamed = folder.Rename(name, DamagedName(name)); !renamed.ok()) return renamed;
    say(absl::StrCat(name, " is called ", DamagedName(name), " now"));
  }
  for (const std::string& name : *names) {
    const uint64_t number = UnfinishedSegmentNumber(name);
    if (number == 0) continue;
    if (absl::Status renamed = folder.Rename(name, SegmentName(number)); !renamed.ok()) return renamed;
  }
  if (absl::Status synced = folder.SyncFolder(); !synced.ok()) return synced;
  if (absl::Status removed = folder.Remove(RepairName(first)); !removed.ok()) return removed;
  return folder.SyncFolder();
}

// What a repair that was interrupted has left to do. True if there was something.
absl::StatusOr<bool> GoOn(FileSystem& folder, SayLine say) {
  const absl::StatusOr<std::vector<std::string>> names = folder.List();
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const uint64_t first = RepairNumber(name);
    if (first == 0) continue;
    say("a repair was interrupted; it is gone on with");
    // It may have been made and not be durable yet.
    absl::Status done = folder.SyncFolder();
    if (done.ok()) done = Replace(folder, first, say);
    if (!done.ok()) return done;
    return true;
  }
  return false;
}

absl::Status SayEnd(FileSystem& folder, Place place) {
  absl::StatusOr<EndFile> end = EndFile::Open(&folder);
  return end.ok() && place != Place() ? end->Say(place) : end.status();
}

absl::Status MoveIndexesAside(FileSystem& folder, const std::vector<std::string>& indexes, SayLine say) {
  for (const std::string& name : indexes) {
    if (absl::Status renamed = folder.Rename(name, DamagedName(name)); !renamed.ok()) return renamed;
    say(absl::StrCat(name, " is called ", DamagedName(name), " now; the server makes it again"));
  }
  return folder.SyncFolder();
}

}  // namespace

absl::Status RepairData(FileSystem& folder, SayLine say, uint64_t segment_bytes) {
  const absl::StatusOr<bool> gone_on = GoOn(folder, say);
  if (!gone_on.ok()) return gone_on.status();
  const absl::StatusOr<DataSurvey> survey =
      SurveyData(folder, {}, [](absl::string_view, absl::string_view) { return absl::OkStatus(); });
  if (!survey.ok()) return survey.status();
  for (const std::string& line : survey->Lines()) say(line);
  if (survey->fine()) {
    if (absl::Status said = *gone_on ? SayEnd(folder, survey->log.end) : absl::OkStatus(); !said.ok())
      return said;
    say(*gone_on ? "nothing is damaged any more" : "nothing is damaged; nothing was changed");
    return absl::OkStatus();
  }
  if (survey->segments_are_whole) {
    absl::Status moved = MoveIndexesAside(folder, survey->damaged_indexes, say);
    if (moved.ok()) say("repaired: nothing is lost");
    return moved;
  }
  if (absl::Status removed = RemoveUnfinished(folder); !removed.ok()) return removed;
  const uint64_t first = survey->log.last + 1;
  if (absl::Status written = WriteNewLog(folder, *survey, first, segment_bytes); !written.ok()) {
    (void)RemoveUnfinished(folder);  // For the space; if that fails the next repair does it.
    return absl::Status(written.code(), absl::StrCat("nothing was changed: ", written.message()));
  }
  absl::Status replaced = folder.Open(RepairName(first)).status();
  if (replaced.ok()) replaced = folder.SyncFolder();
  if (replaced.ok()) replaced = Replace(folder, first, say);
  if (!replaced.ok()) {
    return absl::Status(replaced.code(),
                        absl::StrCat("the repair is to be done again: ", replaced.message()));
  }
  const absl::StatusOr<DataSurvey> after =
      SurveyData(folder, {}, [](absl::string_view, absl::string_view) { return absl::OkStatus(); });
  if (!after.ok()) return after.status();
  if (!after->fine())
    return absl::DataLossError(absl::StrCat("the new log is damaged, too: ", after->findings[0]));
  if (absl::Status said = SayEnd(folder, after->log.end); !said.ok()) return said;
  say("repaired: the server starts with");
  for (const std::string& line : after->Lines()) say(line);
  return absl::OkStatus();
}

}  // namespace errand::store::log
