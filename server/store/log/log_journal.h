#ifndef ERRAND_SERVER_STORE_LOG_LOG_JOURNAL_H_
#define ERRAND_SERVER_STORE_LOG_LOG_JOURNAL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/log/committer.h"
#include "server/store/log/file_system.h"
#include "server/store/log/job_thread.h"
#include "server/store/log/log_reader.h"
#include "server/store/log/log_writer.h"
#include "server/store/log/segment_files.h"
#include "server/store/memory/journal.h"

namespace errand::store::log {

// The type of the records whose bodies are changes.
inline constexpr uint8_t kChange = 2;

// A journal in the log's segments, which are its parts.
class LogJournal final : public Journal {
 public:
  // Opens the log of a folder, which is borrowed; what it holds is not looked at before Read.
  static absl::StatusOr<std::unique_ptr<LogJournal>> Open(FileSystem* file_system, SegmentOptions options);
  ~LogJournal() override;

  absl::Status Read(Visit visit) override;
  absl::Status Start(Callback failed) override;
  JournalPlace Append(absl::string_view change, absl::string_view attachment) override;
  void EndGroup() override;
  bool IsSynced() const override;
  JournalPlace Synced() const override;
  void WhenSynced(Callback done) override;
  void AfterSynced(Callback done) override;
  void WhenWritten(Callback done) override;
  std::unique_ptr<Reading> Hold(const std::vector<JournalPlace>& places) override;
  Attachments ReadAttachments(const std::vector<JournalPlace>& places) override;
  uint64_t FirstPart() const override;
  uint64_t Parts() const override { return files_->Count(); }
  uint64_t PartBytes() const override { return LogWriter::UsedBytes(files_->segment_bytes()); }
  uint64_t OldestPart() const override;
  uint64_t PartOf(JournalPlace place) const override;
  std::string PartName(uint64_t part) const override;
  absl::Status ReadPart(uint64_t part, Visit visit) override;
  absl::Status DropPart(uint64_t part) override;
  bool IsLow() const override { return files_->IsLow(); }
  bool IsFull() const override { return files_->IsFull(); }
  uint64_t UnwrittenBytes() const override { return committer_->unwritten_bytes(); }
  void StopWaitingForSpace() override { committer_->StopWaitingForSpace(); }

  // What Read has found.
  const LogEnd& read_end() const { return end_; }

 private:
  class SegmentReading;

  explicit LogJournal(std::unique_ptr<SegmentFiles> files) : files_(std::move(files)) {}

  void BuildIndexOf(uint64_t segment);

  const std::unique_ptr<SegmentFiles> files_;
  LogEnd end_;
  // From Start on. Destroyed from the last to the first: the committer's callbacks have the others do
  // something.
  std::unique_ptr<JobThread> indexer_;
  std::unique_ptr<JobThread> reader_;
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<LogWriter> writer_;
};

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_LOG_JOURNAL_H_
