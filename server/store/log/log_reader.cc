#include "server/store/log/log_reader.h"

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/store/log/segment_reader.h"

namespace errand::store::log {

absl::StatusOr<LogEnd> ReadLog(SegmentFiles& files,
                               absl::FunctionRef<absl::Status(Place, const Record&)> visit) {
  LogEnd log;
  std::shared_ptr<File> last;
  const std::vector<uint64_t> numbers = files.Numbers();
  for (const uint64_t number : numbers) {
    log.next_segment = number + 1;
    const absl::StatusOr<std::shared_ptr<File>> file = files.Find(number);
    if (!file.ok()) return file.status();
    const absl::StatusOr<SegmentEnd> end = ReadSegment(**file, number, visit);
    if (absl::IsNotFound(end.status())) {
      if (number != numbers.back()) {
        return absl::DataLossError(
            absl::StrCat(SegmentName(number), " has no header, and is not the last one"));
      }
      log.next_segment = number;
      if (absl::Status released = files.Release(number); !released.ok()) return released;
      break;
    }
    if (!end.ok()) return end.status();
    if (end->previous_end.segment == log.end.segment && end->previous_end != log.end) {
      return absl::DataLossError(absl::StrCat(SegmentName(log.end.segment), " is damaged at byte ",
                                              log.end.offset, ": what was written up to byte ",
                                              end->previous_end.offset, " had been synced"));
    }
    log.end = {number, end->offset};
    log.torn = end->torn;
    last = *file;
  }
  if (last != nullptr) {
    if (absl::Status synced = last->Sync(); !synced.ok()) return synced;
  }
  return log;
}

}  // namespace errand::store::log
