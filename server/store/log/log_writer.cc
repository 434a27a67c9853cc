#include "server/store/log/log_writer.h"

#include <algorithm>

#include "server/store/log/segment_reader.h"

namespace errand::store::log {
namespace {

// Room for what a group usually is: a file that has to grow at its end is slower to sync.
constexpr uint64_t kUsualGroupBytes = 64 << 10;

// What is left free at a segment's end.
uint64_t RoomAtEnd(uint64_t segment_bytes) { return std::min(kUsualGroupBytes, segment_bytes / 8); }

}  // namespace

uint64_t LogWriter::UsedBytes(uint64_t segment_bytes) {
  return segment_bytes - kSegmentHeaderBytes - RoomAtEnd(segment_bytes);
}

Place LogWriter::Add(uint8_t type, absl::string_view body, absl::string_view attachment) {
  if (has_record_) {
    Seal(/*continues=*/true);
  } else {
    BeginGroup();
  }
  last_ = group_.size();
  has_record_ = true;
  AppendUnsealedRecord({.type = type, .continues = false, .body = body, .attachment = attachment}, group_);
  return PlaceAt(last_);
}

void LogWriter::EndGroup() {
  if (!has_record_) return;
  Seal(/*continues=*/false);
  committer_->Write(next_, group_);
  next_.offset += group_.size();
  has_record_ = false;
  group_.clear();
  // One large group does not hold its memory for ever.
  if (group_.capacity() > 4 * kUsualGroupBytes) group_.shrink_to_fit();
}

void LogWriter::BeginGroup() {
  if (next_.offset + RoomAtEnd(segment_bytes_) > segment_bytes_) {
    next_ = {next_.segment + 1, kSegmentHeaderBytes};
  }
  const Place synced = committer_->synced();
  if (synced == marked_) return;
  AppendSyncMark(synced, next_, group_);
  marked_ = synced;
}

void LogWriter::Seal(bool continues) { SealRecord(PlaceAt(last_), continues, last_, group_); }

}  // namespace errand::store::log
