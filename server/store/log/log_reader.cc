#include "server/store/log/log_reader.h"

#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/store/log/end_file.h"
#include "server/store/log/segment_index.h"

namespace errand::store::log {
namespace {

absl::Status Missing(uint64_t number) {
  return absl::DataLossError(absl::StrCat(SegmentName(number), " is missing"));
}

// Whether a segment that began where the log ended at `previous_end` follows what was read up to `end`.
absl::Status CheckFollows(Place previous_end, Place end) {
  if (end.segment != 0 && previous_end.segment != end.segment) return Missing(previous_end.segment);
  if (previous_end.segment == end.segment && previous_end != end) return EndsEarly(end, previous_end);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LogEnd> ReadLog(SegmentFiles& files, Visit visit) {
  LogEnd log;
  std::shared_ptr<File> last;
  const std::vector<uint64_t> numbers = files.Numbers();
  // While the records of one segment are looked at the next index is read.
  std::string index;
  std::string next_index;
  const auto load = [&](uint64_t number) {
    return std::async(std::launch::async,
                      [&, number] { return LoadIndex(files.file_system(), number, next_index); });
  };
  std::future<absl::Status> next;
  if (!numbers.empty()) next = load(numbers.front());
  for (size_t i = 0; i < numbers.size(); ++i) {
    const uint64_t number = numbers[i];
    if (i > 0 && number != numbers[i - 1] + 1) return Missing(numbers[i - 1] + 1);
    log.next_segment = number + 1;
    const absl::StatusOr<std::shared_ptr<File>> file = files.Find(number);
    if (!file.ok()) return file.status();
    const absl::Status loaded = next.get();
    std::swap(index, next_index);
    if (i + 1 < numbers.size()) next = load(numbers[i + 1]);
    const absl::StatusOr<std::optional<SegmentHeader>> read = ReadHeader(**file, number);
    if (!read.ok()) return read.status();
    const SegmentHeader header = read->value_or(SegmentHeader());
    if (header.number == number && header.version == kFormatVersion) {
      // Before its records, which fit only to those.
      if (absl::Status follows = CheckFollows(header.previous_end, log.end); !follows.ok()) return follows;
    }
    absl::StatusOr<SegmentEnd> end = loaded.ok() ? ReadIndex(index, visit) : loaded;
    if (end.ok()) {
      absl::Status whole = CheckNotCutOff(**file, number, std::max(end->offset, header.file_bytes));
      if (!whole.ok()) return whole;
      if (absl::Status follows = CheckFollows(end->previous_end, log.end); !follows.ok()) return follows;
    }
    if (absl::IsNotFound(loaded)) {
      end = ReadSegment(**file, number, visit);
      if (end.ok()) log.without_index.push_back(number);
    }
    if (absl::IsNotFound(end.status())) {
      if (number != numbers.back() || number <= files.said_end().segment) {
        return absl::DataLossError(
            absl::StrCat(SegmentName(number), " is damaged at byte 0: it had begun, and has no header"));
      }
      log.next_segment = number;
      log.not_begun = number;
      break;
    }
    if (!end.ok()) return end.status();
    log.end = {number, end->offset};
    log.torn = end->torn;
    last = *file;
  }
  if (log.end < files.said_end()) return EndsEarly(log.end, files.said_end());
  if (last != nullptr) {
    if (absl::Status synced = last->Sync(); !synced.ok()) return synced;
  }
  return log;
}

}  // namespace errand::store::log
