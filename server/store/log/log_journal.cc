#include "server/store/log/log_journal.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "server/task/errors.h"

namespace errand::store::log {
namespace {

// As those who call the store are told.
Journal::Callback Translated(Journal::Callback done) {
  return [done = std::move(done)](const absl::Status& status) mutable {
    done(status.ok() ? status
                     : task::Error(absl::StatusCode::kUnavailable, "STORE_FAILED",
                                   absl::StrCat("the server cannot keep anything: ", status.message())));
  };
}

}  // namespace

absl::StatusOr<std::unique_ptr<LogJournal>> LogJournal::Open(FileSystem* file_system,
                                                             uint64_t segment_bytes) {
  auto files = SegmentFiles::Open(file_system, segment_bytes);
  if (!files.ok()) return files.status();
  return std::unique_ptr<LogJournal>(new LogJournal(*std::move(files)));
}

LogJournal::~LogJournal() { committer_ = nullptr; }

absl::Status LogJournal::Read(absl::FunctionRef<absl::Status(absl::string_view)> visit) {
  const absl::StatusOr<LogEnd> end = ReadLog(*files_, [&visit](Place place, const Record& record) {
    absl::Status visited =
        record.type == kChange
            ? visit(record.body)
            : absl::DataLossError(absl::StrCat("records of type ", record.type, " are not known"));
    if (visited.ok()) return visited;
    return absl::Status(visited.code(), absl::StrCat(SegmentName(place.segment), ", byte ", place.offset,
                                                     ": ", visited.message()));
  });
  if (!end.ok()) return end.status();
  end_ = *end;
  committer_ = std::make_unique<Committer>(files_.get(), end->next_segment, end->end);
  return absl::OkStatus();
}

void LogJournal::Append(std::string change) { group_.push_back(std::move(change)); }

void LogJournal::EndGroup() {
  std::vector<Record> records;
  uint64_t bytes = 0;
  const auto append = [&] {
    committer_->Append(absl::MakeSpan(records));
    records.clear();
    bytes = 0;
  };
  for (const std::string& change : group_) {
    // What does not fit into a segment in one piece is many small changes, each of which may stand alone.
    if (bytes + RecordBytes(change.size()) > committer_->MaxGroupBytes()) append();
    bytes += RecordBytes(change.size());
    records.push_back({kChange, false, change});
  }
  if (!records.empty()) append();
  group_.clear();
}

bool LogJournal::IsSynced() const { return committer_->IsSynced(); }

void LogJournal::WhenSynced(Callback done) { committer_->WhenSynced(Translated(std::move(done))); }

void LogJournal::WhenWritten(Callback done) { committer_->WhenWritten(Translated(std::move(done))); }

}  // namespace errand::store::log
