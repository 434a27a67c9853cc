// Where a segment's records end is known from the header of the next one, or from its index; of the last one
// as far as END and its marks say. Up to there all must be whole. Behind a record that is not the next one is
// looked for at every place where one could begin: a record's place is part of its checksum, so none is found
// that was not written there.
#include "server/store/log/log_salvage.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/store/log/end_file.h"
#include "server/store/log/segment_files.h"
#include "server/store/log/segment_index.h"
#include "server/store/log/segment_reader.h"

namespace errand::store::log {
namespace {

absl::Status ReadAll(const FileSystem& folder, const std::string& name, std::string& bytes) {
  const absl::StatusOr<std::unique_ptr<File>> file = folder.OpenToRead(name);
  if (!file.ok()) return file.status();
  const absl::StatusOr<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  bytes.resize(*size);
  const absl::StatusOr<size_t> read = (*file)->Read(0, absl::MakeSpan(bytes));
  bytes.resize(read.value_or(0));
  return read.status();
}

// Of a segment that has begun.
std::optional<SegmentHeader> HeaderOf(absl::string_view bytes, uint64_t number) {
  SegmentHeader header;
  if (!ParseSegmentHeader(bytes, header) || header.number != number) return std::nullopt;
  return header;
}

absl::Status CheckVersion(const SegmentHeader& header) {
  if (header.version == kFormatVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(SegmentName(header.number), " is of format version ",
                                                    header.version, "; this errandd reads version ",
                                                    kFormatVersion, ": use the one that wrote it"));
}

// The first whole record from `offset` on that begins before `limit`; 0 if there is none.
uint64_t FindRecord(absl::string_view bytes, uint64_t number, uint64_t offset, uint64_t limit) {
  Record record;
  for (; offset < limit && offset + kRecordHeaderBytes <= bytes.size(); offset += kRecordAlignment) {
    if (ParseRecord(bytes.substr(offset), {number, offset}, record) == Parsed::kRecord) return offset;
  }
  return 0;
}

// Where the last whole group of a damaged segment seems to end.
uint64_t FindEnd(absl::string_view bytes, uint64_t number) {
  uint64_t end = kSegmentHeaderBytes;
  uint64_t offset = FindRecord(bytes, number, kSegmentHeaderBytes, bytes.size());
  while (offset != 0) {
    Record record;
    ParseRecord(bytes.substr(offset), {number, offset}, record);
    offset += RecordBytes(record.body.size(), record.attachment.size());
    if (!record.continues) end = offset;
    offset = FindRecord(bytes, number, offset, bytes.size());
  }
  return end;
}

std::string Count(size_t count, absl::string_view what) {
  return absl::StrCat(count, " ", what, count == 1 ? "" : "s");
}

class Salvage {
 public:
  Salvage(const FileSystem& folder, SalvageVisitor& visitor) : folder_(folder), visitor_(visitor) {}

  absl::StatusOr<Salvaged> Run();

 private:
  struct Entry {
    Place place;
    uint8_t type;
    absl::string_view body;
    uint64_t bytes;
  };
  struct Index {
    std::string bytes;
    std::vector<Entry> entries;
    SegmentEnd end;
    bool whole = false;
    size_t next = 0;       // Of the entries: the first that was not looked at.
    bool differs = false;  // That was said.
  };

  absl::Status Scan();
  absl::Status ReadGap(uint64_t after, uint64_t before);
  absl::Status ReadMissing(uint64_t number);
  absl::Status ReadOne(uint64_t number);
  absl::Status ReadRecords(absl::string_view bytes, uint64_t number, uint64_t end, Index& index);
  absl::Status LoadIndexOf(uint64_t number, Index& index);
  // Entries that begin before `offset`, which is behind what cannot be read.
  absl::Status VisitIndexed(uint64_t offset, Index& index);
  absl::Status Differs(uint64_t number, uint64_t offset, Index& index);
  // Where segment `number` ended, as the one behind it says.
  absl::StatusOr<uint64_t> EndByNext(uint64_t number);

  const FileSystem& folder_;
  SalvageVisitor& visitor_;
  Salvaged salvaged_;
  Place said_;  // By END: the log reaches as far at the least.
  std::set<uint64_t> segments_;
  std::set<uint64_t> indexes_;
};

absl::Status Salvage::Scan() {
  const absl::StatusOr<std::vector<std::string>> names = folder_.List();
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (const uint64_t number = SegmentNumber(name); number != 0) segments_.insert(number);
    if (const uint64_t number = IndexNumber(name); number != 0) indexes_.insert(number);
  }
  const absl::StatusOr<Place> said = ReadEnd(folder_);
  if (!said.ok() && !absl::IsNotFound(said.status())) return said.status();
  said_ = said.value_or(Place());
  salvaged_.end_unknown = std::string(said.status().message());
  salvaged_.last = said_.segment;
  if (segments_.empty()) return absl::OkStatus();
  // What a part that was dropped has left.
  indexes_.erase(indexes_.begin(), indexes_.lower_bound(*segments_.begin()));
  const uint64_t last = *segments_.rbegin();
  std::string bytes;
  if (absl::Status read = ReadAll(folder_, SegmentName(last), bytes); !read.ok()) return read;
  const bool begun = HeaderOf(bytes, last).has_value() || indexes_.contains(last) || last <= said_.segment ||
                     FindRecord(bytes, last, kSegmentHeaderBytes, bytes.size()) != 0;
  salvaged_.last = std::max(salvaged_.last, last);
  if (!begun) segments_.erase(last);
  return absl::OkStatus();
}

absl::StatusOr<Salvaged> Salvage::Run() {
  if (absl::Status scanned = Scan(); !scanned.ok()) return scanned;
  std::set<uint64_t> numbers = segments_;
  numbers.insert(indexes_.begin(), indexes_.end());
  if (numbers.empty() && said_.segment != 0) numbers.insert(said_.segment);
  if (numbers.empty()) return salvaged_;
  salvaged_.first = *numbers.begin();
  salvaged_.last = std::max(salvaged_.last, *numbers.rbegin());
  uint64_t previous = 0;
  for (const uint64_t number : numbers) {
    absl::Status read;
    if (previous != 0 && number != previous + 1) read = ReadGap(previous, number);
    if (read.ok()) read = segments_.contains(number) ? ReadOne(number) : ReadMissing(number);
    if (!read.ok()) return read;
    previous = number;
  }
  if (previous < said_.segment) {
    if (absl::Status read = ReadGap(previous, said_.segment + 1); !read.ok()) return read;
  }
  return salvaged_;
}

absl::Status Salvage::ReadGap(uint64_t after, uint64_t before) {
  const std::string to =
      before == after + 2 ? " is missing" : absl::StrCat(" to ", SegmentName(before - 1), " are missing");
  return visitor_.OnDamage(
      {SegmentName(after + 1), 0, absl::StrCat(to.substr(1), "; what was in there is not known")});
}

absl::Status Salvage::ReadMissing(uint64_t number) {
  Index index;
  if (absl::Status loaded = LoadIndexOf(number, index); !loaded.ok()) return loaded;
  const std::string held = index.whole
                               ? absl::StrCat("its index names its ", Count(index.entries.size(), "record"))
                               : "what was in there is not known";
  absl::Status said = visitor_.OnDamage({SegmentName(number), 0, absl::StrCat("is missing; ", held)});
  return said.ok() ? VisitIndexed(UINT64_MAX, index) : said;
}

absl::Status Salvage::LoadIndexOf(uint64_t number, Index& index) {
  if (!indexes_.contains(number)) return absl::OkStatus();
  absl::Status loaded = LoadIndex(folder_, number, index.bytes);
  if (!loaded.ok() && !absl::IsNotFound(loaded)) return loaded;
  index.whole = loaded.ok();
  if (index.whole) {
    const absl::StatusOr<SegmentEnd> end =
        ReadIndex(index.bytes, [&index](Place place, const Record& record, uint64_t bytes) {
          index.entries.push_back({place, record.type, record.body, bytes});
          return absl::OkStatus();
        });
    index.whole = end.ok();
    if (end.ok()) index.end = *end;
  }
  if (index.whole) return absl::OkStatus();
  index.entries.clear();
  return visitor_.OnDamage({IndexName(number), 0, "the index is not whole; nothing is lost by that", true});
}

absl::Status Salvage::Differs(uint64_t number, uint64_t offset, Index& index) {
  if (index.differs) return absl::OkStatus();
  index.differs = true;
  return visitor_.OnDamage({IndexName(number), 0,
                            absl::StrCat("the index does not say what ", SegmentName(number), " has at byte ",
                                         offset, "; the segment counts, nothing is lost by that"),
                            true});
}

absl::StatusOr<uint64_t> Salvage::EndByNext(uint64_t number) {
  const uint64_t next = number + 1;
  if (segments_.contains(next)) {
    const absl::StatusOr<std::unique_ptr<File>> file = folder_.OpenToRead(SegmentName(next));
    if (!file.ok()) return file.status();
    const absl::StatusOr<std::optional<SegmentHeader>> header = ReadHeader(**file, next);
    if (!header.ok()) return header.status();
    if (header->has_value() && (*header)->previous_end.segment == number)
      return (*header)->previous_end.offset;
  }
  std::string bytes;
  if (!indexes_.contains(next) || !LoadIndex(folder_, next, bytes).ok()) return uint64_t{0};
  const absl::StatusOr<SegmentEnd> end =
      ReadIndex(bytes, [](Place, const Record&, uint64_t) { return absl::OkStatus(); });
  return end.ok() && end->previous_end.segment == number ? end->previous_end.offset : uint64_t{0};
}

absl::Status Salvage::ReadOne(uint64_t number) {
  const std::string name = SegmentName(number);
  std::string bytes;
  if (absl::Status read = ReadAll(folder_, name, bytes); !read.ok()) return read;
  ++salvaged_.segments;
  const std::optional<SegmentHeader> header = HeaderOf(bytes, number);
  if (header.has_value()) {
    if (absl::Status version = CheckVersion(*header); !version.ok()) return version;
    const bool follows = number == salvaged_.first || header->previous_end.segment == number - 1;
    if (!follows) {
      absl::Status said = visitor_.OnDamage(
          {name, 0,
           absl::StrCat("it follows ", SegmentName(header->previous_end.segment), " by its header")});
      if (!said.ok()) return said;
    }
  } else {
    absl::Status said = visitor_.OnDamage(
        {name, 0,
         bytes.size() < kSegmentHeaderBytes
             ? absl::StrCat("it is cut off: it has ", bytes.size(), " bytes, less than its header")
             : "the header is damaged; nothing is lost by that: the records say where they are"});
    if (!said.ok()) return said;
  }

  Index index;
  if (absl::Status loaded = LoadIndexOf(number, index); !loaded.ok()) return loaded;
  absl::StatusOr<uint64_t> end = EndByNext(number);
  if (!end.ok()) return end.status();
  const bool by_next = *end != 0;
  if (!by_next && index.whole) end = index.end.offset;

  // As a server sees it.
  const absl::StatusOr<std::unique_ptr<File>> file = folder_.OpenToRead(name);
  if (!file.ok()) return file.status();
  const absl::StatusOr<SegmentEnd> seen =
      ReadSegment(**file, number, [](Place, const Record&, uint64_t) { return absl::OkStatus(); });
  if (*end == 0) {
    end = seen.ok() ? seen->offset : FindEnd(bytes, number);
    salvaged_.torn = seen.ok() && seen->torn;
  } else if (seen.ok() && seen->offset > *end) {
    absl::Status said = visitor_.OnDamage(
        {name, *end,
         absl::StrCat("it goes on behind what ", by_next ? SegmentName(number + 1) : IndexName(number),
                      " says to be its end; that can be read")});
    if (!said.ok()) return said;
    end = seen->offset;
  }
  if (said_.segment == number) end = std::max(*end, said_.offset);
  if (header.has_value() && bytes.size() < header->file_bytes) {
    const bool end_known = by_next || index.whole || said_.segment == number;
    absl::Status said = visitor_.OnDamage(
        {name, bytes.size(),
         absl::StrCat("it is cut off: it had ", header->file_bytes, " bytes; ",
                      end_known ? "records that were cut off are named next"
                                : "what was there is not known, nor whether anything was")});
    if (!said.ok()) return said;
  }
  salvaged_.bytes += *end;
  salvaged_.end = {number, *end};
  if (absl::Status read = ReadRecords(bytes, number, *end, index); !read.ok()) return read;
  if (!index.whole) return absl::OkStatus();
  const bool agrees = index.next == index.entries.size() && index.end.offset == *end &&
                      (!header.has_value() || index.end.previous_end == header->previous_end);
  return agrees ? absl::OkStatus() : Differs(number, *end, index);
}

absl::Status Salvage::ReadRecords(absl::string_view bytes, uint64_t number, uint64_t end, Index& index) {
  for (uint64_t offset = kSegmentHeaderBytes; offset < end;) {
    const Place place{number, offset};
    Record record;
    const absl::string_view rest = bytes.substr(std::min<uint64_t>(offset, bytes.size()));
    if (ParseRecord(rest, place, record) == Parsed::kRecord) {
      const uint64_t size = RecordBytes(record.body.size(), record.attachment.size());
      offset += size;
      if (record.type == kSyncMark) continue;
      if (index.whole) {
        const bool has = index.next < index.entries.size() && index.entries[index.next].place == place;
        if (has) {
          const Entry& entry = index.entries[index.next++];
          const bool same = entry.type == record.type && entry.body == record.body && entry.bytes == size;
          if (absl::Status said = same ? absl::OkStatus() : Differs(number, place.offset, index); !said.ok())
            return said;
        } else if (absl::Status said = Differs(number, place.offset, index); !said.ok()) {
          return said;
        }
      }
      ++salvaged_.records;
      if (absl::Status visited = visitor_.OnRecord(place, record, size); !visited.ok()) return visited;
      continue;
    }
    const uint64_t found = FindRecord(bytes, number, offset + kRecordAlignment, end);
    const uint64_t until = found == 0 ? end : found;
    size_t named = 0;
    for (size_t i = index.next; i < index.entries.size() && index.entries[i].place.offset < until; ++i)
      ++named;
    std::string held = "what was there is not known; if it was the end of a task, that task runs again";
    if (index.whole)
      held = named == 0 ? "no record was there, nothing is lost by that"
                        : absl::StrCat("the index names the ", Count(named, "record"), " there");
    absl::Status said = visitor_.OnDamage(
        {SegmentName(number), offset,
         absl::StrCat("the bytes up to ", until, " cannot be read: ", held,
                      found == 0 ? "; the segment ends there" : "; what is behind them can be read")});
    if (!said.ok()) return said;
    if (absl::Status visited = VisitIndexed(until, index); !visited.ok()) return visited;
    offset = until;
  }
  return absl::OkStatus();
}

absl::Status Salvage::VisitIndexed(uint64_t offset, Index& index) {
  for (; index.next < index.entries.size(); ++index.next) {
    const Entry& entry = index.entries[index.next];
    if (entry.place.offset >= offset) break;
    const Record record{.type = entry.type, .continues = false, .body = entry.body, .attachment = {}};
    if (absl::Status visited = visitor_.OnIndexed(entry.place, record, entry.bytes); !visited.ok())
      return visited;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Salvaged> SalvageLog(const FileSystem& folder, SalvageVisitor& visitor) {
  return Salvage(folder, visitor).Run();
}

}  // namespace errand::store::log
