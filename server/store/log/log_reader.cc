#include "server/store/log/log_reader.h"

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/store/log/segment_index.h"

namespace errand::store::log {

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
    log.next_segment = number + 1;
    const absl::StatusOr<std::shared_ptr<File>> file = files.Find(number);
    if (!file.ok()) return file.status();
    const absl::Status loaded = next.get();
    std::swap(index, next_index);
    if (i + 1 < numbers.size()) next = load(numbers[i + 1]);
    absl::StatusOr<SegmentEnd> end = loaded.ok() ? ReadIndex(index, visit) : loaded;
    if (absl::IsNotFound(loaded)) {
      end = ReadSegment(**file, number, visit);
      if (end.ok()) log.without_index.push_back(number);
    }
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
    if (log.end.segment != 0 && end->previous_end.segment != log.end.segment) {
      return absl::DataLossError(absl::StrCat(SegmentName(end->previous_end.segment), " is missing"));
    }
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
