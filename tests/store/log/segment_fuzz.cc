// What a damaged disk may give: a libFuzzer entry that changes bytes of a whole log, which log_test.cc calls
// with random bytes, too. The log must then be refused, or read as a prefix of what it was. Input: a u32
// offset and the byte to put there, again and again.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/store/log/committer.h"
#include "server/store/log/little_endian.h"
#include "server/store/log/log_reader.h"
#include "server/store/log/log_writer.h"
#include "server/store/log/segment_files.h"
#include "tests/store/log/fake_disk.h"

namespace errand::store::log {
namespace {

constexpr uint64_t kSegmentBytes = 8 << 10;

absl::StatusOr<std::vector<std::string>> Read(FakeDisk& disk) {
  auto files = SegmentFiles::Open(&disk, {.segment_bytes = kSegmentBytes});
  if (!files.ok()) return files.status();
  std::vector<std::string> bodies;
  const absl::StatusOr<LogEnd> end = ReadLog(**files, [&](Place, const Record& record, uint64_t) {
    bodies.emplace_back(record.body);
    return absl::OkStatus();
  });
  if (!end.ok()) return end.status();
  return bodies;
}

// A log of two segments.
struct Whole {
  Whole() {
    {
      auto files = *SegmentFiles::Open(&disk, {.segment_bytes = kSegmentBytes});
      if (!files->Start(Place()).ok()) std::abort();
      Committer committer(files.get(), Place());
      LogWriter writer(&committer, 1, kSegmentBytes);
      for (int i = 0; i < 40; ++i) {
        writer.Add(2, absl::StrCat("first of ", i));
        writer.Add(3, std::string(static_cast<size_t>(i) * 5, 'x'), "attached");
        writer.EndGroup();
      }
    }
    bodies = *Read(disk);
    if (bodies.size() != 80) std::abort();
    for (const std::string& name : {SegmentName(1), SegmentName(2)}) contents.push_back(disk.Contents(name));
  }

  FakeDisk disk;
  std::vector<std::string> bodies;
  std::vector<std::string> contents;
};

void ReadDamagedLog(absl::string_view input) {
  static const auto& whole = *new Whole;
  std::vector<std::string> contents = whole.contents;
  constexpr size_t kChangeBytes = 5;
  for (; input.size() >= kChangeBytes; input.remove_prefix(kChangeBytes)) {
    const auto at = GetLittleEndian<uint32_t>(input.data());
    std::string& segment = contents[at % contents.size()];
    segment[at / contents.size() % segment.size()] = input[4];
  }
  FakeDisk disk;
  for (size_t i = 0; i < contents.size(); ++i) disk.SetContents(SegmentName(i + 1), contents[i]);
  const auto read = Read(disk);
  if (!read.ok()) {
    // With a place, or a version that is not ours.
    if (!absl::IsDataLoss(read.status()) && !absl::IsFailedPrecondition(read.status())) std::abort();
  } else if (read->size() % 2 != 0 || read->size() > whole.bodies.size() ||
             !std::equal(read->begin(), read->end(), whole.bodies.begin())) {
    std::abort();
  }
}

}  // namespace
}  // namespace errand::store::log

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  errand::store::log::ReadDamagedLog({reinterpret_cast<const char*>(data), size});
  return 0;
}
