#include "server/store/log/log_journal.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/store/errors.h"
#include "server/store/log/record_reader.h"
#include "server/store/log/segment_index.h"

namespace errand::store::log {
namespace {

// The newest segments have no index. Where tasks go as fast as they come these are all there are, and none is
// worth the work; a start reads them as they are.
constexpr uint64_t kSegmentsWithoutIndex = 6;

// A place as one number: offsets are multiples of kRecordAlignment.
constexpr int kOffsetBits = 32;

JournalPlace Pack(Place place) { return place.segment << kOffsetBits | place.offset / kRecordAlignment; }

Place Unpack(JournalPlace place) {
  return {place >> kOffsetBits, (place & ((JournalPlace{1} << kOffsetBits) - 1)) * kRecordAlignment};
}

// An attachment that is to be read, and the file in which it is.
struct Wanted {
  Place place;
  absl::StatusOr<std::shared_ptr<File>> file;  // Not OK, too, of a segment that has not begun yet.
  std::string record = "";                     // Its bytes, of one that the disk has no space for.
};

std::vector<Wanted> FindAll(const SegmentFiles& files, const std::vector<JournalPlace>& places) {
  std::vector<Wanted> wanted;
  for (const JournalPlace place : places) {
    const Place unpacked = Unpack(place);
    wanted.push_back({unpacked, files.Find(unpacked.segment)});
  }
  return wanted;
}

Journal::Attachments ReadAll(const std::vector<Wanted>& wanted) {
  std::vector<std::string> attachments;
  RecordReader reader;
  for (const Wanted& one : wanted) {
    if (Record record; !one.record.empty() && ParseRecord(one.record, one.place, record) == Parsed::kRecord) {
      attachments.emplace_back(record.attachment);
      continue;
    }
    if (!one.file.ok()) return one.file.status();
    const absl::StatusOr<Record> record = reader.Read(*one.file, one.place);
    if (!record.ok()) return record.status();
    attachments.emplace_back(record->attachment);
  }
  return attachments;
}

}  // namespace

// Holds the files, so that they get no other use.
class LogJournal::SegmentReading final : public Journal::Reading {
 public:
  SegmentReading(LogJournal* journal, const std::vector<JournalPlace>& places)
      : journal_(*journal), wanted_(FindAll(*journal->files_, places)) {}

  void Start(absl::AnyInvocable<void(Attachments)> done) override {
    Place last;
    for (const Wanted& one : wanted_) last = std::max(last, one.place);
    if (wanted_.empty() || last < journal_.committer_->written()) {
      Post(journal_, std::move(wanted_), std::move(done));
      return;
    }
    journal_.committer_->WhenWritten([&journal = journal_, wanted = std::move(wanted_),
                                      done = std::move(done)](const absl::Status& status) mutable {
      // What a full disk has not taken yet is read where it waits.
      const bool waits = absl::IsResourceExhausted(status);
      if (waits) {
        for (Wanted& one : wanted) one.record = journal.committer_->Unwritten(one.place);
      }
      if (status.ok() || waits) {
        Post(journal, std::move(wanted), std::move(done));
      } else {
        journal.reader_->Post([status, done = std::move(done)]() mutable { done(status); });
      }
    });
  }

 private:
  static void Post(LogJournal& journal, std::vector<Wanted> wanted,
                   absl::AnyInvocable<void(Attachments)> done) {
    // Those that had not begun have by now.
    for (Wanted& one : wanted) {
      if (absl::IsNotFound(one.file.status())) one.file = journal.files_->Find(one.place.segment);
    }
    journal.reader_->Post([wanted = std::move(wanted), done = std::move(done)]() mutable {
      Attachments read = ReadAll(wanted);
      if (!read.ok()) read = StoreFailure(read.status());
      done(std::move(read));
    });
  }

  LogJournal& journal_;
  std::vector<Wanted> wanted_;
};

absl::StatusOr<std::unique_ptr<LogJournal>> LogJournal::Open(FileSystem* file_system,
                                                             SegmentOptions options) {
  auto files = SegmentFiles::Open(file_system, std::move(options));
  if (!files.ok()) return files.status();
  return std::unique_ptr<LogJournal>(new LogJournal(*std::move(files)));
}

LogJournal::~LogJournal() {
  // Its callbacks have the other threads do something.
  committer_ = nullptr;
}

absl::Status LogJournal::Read(Visit visit) {
  const absl::StatusOr<LogEnd> end =
      ReadLog(*files_, [&visit](Place place, const Record& record, uint64_t bytes) {
        absl::Status visited =
            record.type == kChange
                ? visit(Pack(place), record.body, bytes)
                : absl::DataLossError(absl::StrCat("records of type ", record.type, " are not known"));
        if (visited.ok()) return visited;
        return absl::Status(visited.code(), absl::StrCat(SegmentName(place.segment), ", byte ", place.offset,
                                                         ": ", visited.message()));
      });
  if (!end.ok()) return end.status();
  end_ = *end;
  return absl::OkStatus();
}

absl::Status LogJournal::Start(Callback failed) {
  if (end_.not_begun != 0) {
    if (absl::Status released = files_->Release(end_.not_begun); !released.ok()) return released;
  }
  if (absl::Status started = files_->Start(end_.end); !started.ok()) return started;
  indexer_ = std::make_unique<JobThread>();
  reader_ = std::make_unique<JobThread>();
  committer_ = std::make_unique<Committer>(files_.get(), end_.end, std::move(failed));
  writer_ = std::make_unique<LogWriter>(committer_.get(), end_.next_segment, files_->segment_bytes());
  for (const uint64_t segment : end_.without_index) {
    if (segment + kSegmentsWithoutIndex <= writer_->segment()) BuildIndexOf(segment);
  }
  return absl::OkStatus();
}

void LogJournal::BuildIndexOf(uint64_t segment) {
  indexer_->Post([files = files_.get(), segment] {
    // A start without it takes longer, and makes it again. The segment may be gone already.
    (void)BuildIndex(*files, segment);
  });
}

JournalPlace LogJournal::Append(absl::string_view change, absl::string_view attachment) {
  const uint64_t before = writer_->segment();
  const Place place = writer_->Add(kChange, change, attachment);
  if (place.segment != before && place.segment > kSegmentsWithoutIndex) {
    committer_->AfterSynced(
        [this, segment = place.segment - kSegmentsWithoutIndex](const absl::Status& status) {
          if (status.ok()) BuildIndexOf(segment);
        });
  }
  return Pack(place);
}

void LogJournal::EndGroup() { writer_->EndGroup(); }

bool LogJournal::IsSynced() const { return committer_->IsSynced(); }

JournalPlace LogJournal::Synced() const { return Pack(committer_->synced()); }

void LogJournal::WhenSynced(Callback done) { committer_->WhenSynced(std::move(done)); }

void LogJournal::AfterSynced(Callback done) { committer_->AfterSynced(std::move(done)); }

void LogJournal::WhenWritten(Callback done) { committer_->WhenWritten(std::move(done)); }

std::unique_ptr<Journal::Reading> LogJournal::Hold(const std::vector<JournalPlace>& places) {
  return std::make_unique<SegmentReading>(this, places);
}

Journal::Attachments LogJournal::ReadAttachments(const std::vector<JournalPlace>& places) {
  return ReadAll(FindAll(*files_, places));
}

uint64_t LogJournal::FirstPart() const {
  const std::vector<uint64_t> numbers = files_->Numbers();
  return numbers.empty() ? 0 : numbers.front();
}

uint64_t LogJournal::OldestPart() const {
  const uint64_t first = FirstPart();
  return first < committer_->written().segment ? first : 0;
}

uint64_t LogJournal::PartOf(JournalPlace place) const { return Unpack(place).segment; }

std::string LogJournal::PartName(uint64_t part) const { return SegmentName(part); }

absl::Status LogJournal::ReadPart(uint64_t part, Visit visit) {
  const auto visit_change = [&visit](Place place, const Record& record, uint64_t bytes) {
    return visit(Pack(place), record.body, bytes);
  };
  std::string index;
  absl::Status loaded = LoadIndex(files_->file_system(), part, index);
  if (loaded.ok()) return ReadIndex(index, visit_change).status();
  if (!absl::IsNotFound(loaded)) return loaded;
  const auto file = files_->Find(part);
  if (!file.ok()) return file.status();
  return ReadSegment(**file, part, visit_change).status();
}

absl::Status LogJournal::DropPart(uint64_t part) { return files_->Release(part); }

}  // namespace errand::store::log
