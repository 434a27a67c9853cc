#include "server/store/log/committer.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "server/store/log/segment_reader.h"

namespace errand::store::log {

Committer::Committer(SegmentFiles* files, uint64_t first, Place synced, absl::Duration max_unsynced)
    : files_(files),
      max_unsynced_(max_unsynced),
      next_{first, kSegmentHeaderBytes},
      written_(synced),
      synced_(synced),
      thread_([this] { Run(); }) {}

Committer::~Committer() {
  {
    absl::MutexLock lock(&mu_);
    closing_ = true;
  }
  thread_.join();
}

absl::Status Committer::status() const {
  absl::MutexLock lock(&mu_);
  return status_;
}

bool Committer::IsSynced() const {
  absl::MutexLock lock(&mu_);
  return synced_all_ && status_.ok() && work_.chunks.empty() && work_.waiters.empty();
}

Place Committer::Append(absl::Span<Record> group) {
  uint64_t size = 0;
  for (size_t i = 0; i < group.size(); ++i) {
    group[i].continues = i + 1 < group.size();
    size += RecordBytes(group[i].body.size());
  }
  absl::MutexLock lock(&mu_);
  if (!status_.ok()) return Place();
  const bool fits = next_.offset + kSyncMarkBytes + size <= files_->segment_bytes();
  if (!fits) next_ = {next_.segment + 1, kSegmentHeaderBytes};
  if (!fits || work_.chunks.empty()) {
    work_.chunks.push_back({next_, std::string(kSyncMarkBytes, '\0')});
    next_.offset += kSyncMarkBytes;
  }
  const Place first = next_;
  for (const Record& record : group) {
    AppendRecord(record, next_, work_.chunks.back().bytes);
    next_.offset += RecordBytes(record.body.size());
  }
  return first;
}

void Committer::WhenSynced(Callback done) { AddWaiter(std::move(done), true); }

void Committer::WhenWritten(Callback done) { AddWaiter(std::move(done), false); }

void Committer::AddWaiter(Callback done, bool for_sync) {
  absl::MutexLock lock(&mu_);
  work_.waiters.push_back({std::move(done), for_sync});
  work_.sync |= for_sync;
}

void Committer::Run() {
  absl::Status status;
  for (bool closing = false; !closing;) {
    Work work;
    {
      absl::MutexLock lock(&mu_);
      const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return HasWork(); };
      mu_.AwaitWithDeadline(absl::Condition(&has_work), unsynced_since_ + max_unsynced_);
      std::swap(work, work_);
      closing = closing_;
      synced_all_ &= work.chunks.empty() && work.waiters.empty();
    }
    if (status.ok()) status = Write(work.chunks);
    for (Waiter& waiter : work.waiters) {
      if (waiter.for_sync) {
        sync_waiters_.push_back(std::move(waiter));
      } else {
        waiter.done(status);
      }
    }
    const bool due = work.sync || closing || absl::Now() >= unsynced_since_ + max_unsynced_;
    if (status.ok() && due) status = Sync();
    if (!status.ok()) {
      absl::MutexLock lock(&mu_);
      status_ = status;
    }
    if (due || !status.ok()) {
      for (Waiter& waiter : std::exchange(sync_waiters_, {})) waiter.done(status);
    }
    absl::MutexLock lock(&mu_);
    synced_all_ = sync_waiters_.empty() && written_ == synced_;
  }
}

absl::Status Committer::Write(std::vector<Chunk>& chunks) {
  for (Chunk& chunk : chunks) {
    if (chunk.place.segment != segment_) {
      // What is in a segment was durable before the next one begins.
      if (absl::Status synced = Sync(); !synced.ok()) return synced;
      absl::StatusOr<std::shared_ptr<File>> file = files_->Begin(chunk.place.segment, synced_);
      if (!file.ok()) return file.status();
      file_ = *std::move(file);
      segment_ = chunk.place.segment;
    }
    std::string mark;
    AppendSyncMark(synced_, chunk.place, mark);
    std::copy(mark.begin(), mark.end(), chunk.bytes.begin());
    if (unsynced_since_ == absl::InfiniteFuture()) unsynced_since_ = absl::Now();
    if (absl::Status written = file_->Write(chunk.place.offset, chunk.bytes); !written.ok()) return written;
    written_ = {segment_, chunk.place.offset + chunk.bytes.size()};
  }
  return absl::OkStatus();
}

absl::Status Committer::Sync() {
  if (written_ == synced_) return absl::OkStatus();
  if (absl::Status synced = file_->Sync(); !synced.ok()) return synced;
  synced_ = written_;
  unsynced_since_ = absl::InfiniteFuture();
  return absl::OkStatus();
}

}  // namespace errand::store::log
