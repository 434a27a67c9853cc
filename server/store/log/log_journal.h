#ifndef ERRAND_SERVER_STORE_LOG_LOG_JOURNAL_H_
#define ERRAND_SERVER_STORE_LOG_LOG_JOURNAL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/log/committer.h"
#include "server/store/log/file_system.h"
#include "server/store/log/log_reader.h"
#include "server/store/log/segment_files.h"
#include "server/store/memory/journal.h"

namespace errand::store::log {

// The type of the records whose bodies are changes.
inline constexpr uint8_t kChange = 2;

// A journal in the log's segments.
class LogJournal final : public Journal {
 public:
  static constexpr uint64_t kSegmentBytes = uint64_t{64} << 20;

  // Opens the log of a folder, which is borrowed; what it holds is not looked at before Read.
  static absl::StatusOr<std::unique_ptr<LogJournal>> Open(FileSystem* file_system,
                                                          uint64_t segment_bytes = kSegmentBytes);
  ~LogJournal() override;

  absl::Status Read(absl::FunctionRef<absl::Status(absl::string_view)> visit) override;
  void Append(std::string change) override;
  void EndGroup() override;
  bool IsSynced() const override;
  void WhenSynced(Callback done) override;
  void WhenWritten(Callback done) override;

  // What Read has found.
  const LogEnd& read_end() const { return end_; }

 private:
  explicit LogJournal(std::unique_ptr<SegmentFiles> files) : files_(std::move(files)) {}

  const std::unique_ptr<SegmentFiles> files_;
  LogEnd end_;
  std::vector<std::string> group_;
  std::unique_ptr<Committer> committer_;  // From Read on.
};

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_LOG_JOURNAL_H_
