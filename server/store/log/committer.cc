#include "server/store/log/committer.h"

#include <algorithm>
#include <utility>

#include "server/store/errors.h"

namespace errand::store::log {
namespace {

// How often a disk that was full is tried again.
constexpr absl::Duration kFullDiskInterval = absl::Milliseconds(100);
// How long those wait for space who are told that there is none.
constexpr absl::Duration kFullDiskPatience = absl::Seconds(1);
// How often it is looked whether the files are still in place.
constexpr absl::Duration kLookInterval = absl::Milliseconds(250);

}  // namespace

Committer::Committer(SegmentFiles* files, Place synced, Callback failed, absl::Duration max_unsynced)
    : files_(files),
      max_unsynced_(max_unsynced),
      written_(synced),
      synced_(synced),
      next_look_(clock::Instant::Now() + kLookInterval),
      failed_(std::move(failed)),
      thread_([this] { Run(); }) {}

Committer::~Committer() {
  {
    absl::MutexLock lock(&mu_);
    closing_ = true;
    waits_for_space_ = false;
  }
  changed_.Signal();
  thread_.join();
}

absl::Status Committer::status() const {
  absl::MutexLock lock(&mu_);
  return status_;
}

uint64_t Committer::unwritten_bytes() const {
  absl::MutexLock lock(&mu_);
  return unwritten_bytes_;
}

std::string Committer::Unwritten(Place place) const {
  absl::MutexLock lock(&mu_);
  for (const Work* const work : {&taken_, &work_}) {
    for (const Chunk& chunk : work->chunks) {
      const uint64_t end = chunk.place.offset + chunk.bytes.size();
      if (chunk.place.segment != place.segment || place < chunk.place || place.offset >= end) continue;
      const absl::string_view record =
          absl::string_view(chunk.bytes).substr(place.offset - chunk.place.offset);
      return std::string(record.substr(0, ParseRecordBytes(record)));
    }
  }
  return "";
}

bool Committer::IsSynced() const {
  absl::MutexLock lock(&mu_);
  return synced_all_ && status_.ok() && work_.empty();
}

Place Committer::synced() const {
  absl::MutexLock lock(&mu_);
  return synced_;
}

Place Committer::written() const {
  absl::MutexLock lock(&mu_);
  return written_;
}

void Committer::Give(absl::FunctionRef<void(Work&)> change) {
  bool awaited;
  {
    absl::MutexLock lock(&mu_);
    change(work_);
    awaited = awaits_work_ && !work_.empty();
    if (awaited) awaits_work_ = false;
  }
  if (awaited) changed_.Signal();
}

void Committer::AwaitWork(clock::Instant deadline) {
  awaits_work_ = true;
  while (!closing_ && work_.empty() && clock::Instant::Now() < deadline) changed_.WaitUntil(&mu_, deadline);
  awaits_work_ = false;
}

void Committer::Write(Place place, absl::string_view bytes) {
  Give([&](Work& work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!status_.ok()) return;
    unwritten_bytes_ += bytes.size();
    if (!work.chunks.empty()) {
      Chunk& last = work.chunks.back();
      if (last.place.segment == place.segment) {
        last.bytes.append(bytes.data(), bytes.size());
        return;
      }
    }
    work.chunks.push_back({place, std::string(bytes)});
  });
}

void Committer::WhenSynced(Callback done) {
  Give([&](Work& work) { work.for_synced.push_back(std::move(done)); });
}

void Committer::AfterSynced(Callback done) {
  Give([&](Work& work) { work.after_synced.push_back(std::move(done)); });
}

void Committer::WhenWritten(Callback done) {
  Give([&](Work& work) { work.for_written.push_back(std::move(done)); });
}

void Committer::StopWaitingForSpace() {
  {
    absl::MutexLock lock(&mu_);
    waits_for_space_ = false;
  }
  changed_.Signal();
}

void Committer::Run() {
  absl::Status status;
  for (bool closing = false; !closing;) {
    Work& work = taken_;
    {
      absl::MutexLock lock(&mu_);
      AwaitWork(status.ok() ? std::min(unsynced_since_ + max_unsynced_, next_look_)
                            : clock::Instant::InfiniteFuture());
      std::swap(work, work_);
      closing = closing_;
      synced_all_ &= work.empty();
    }
    if (status.ok()) status = CheckInPlace();
    if (status.ok()) status = WriteAll(work.chunks);
    DropChunks();
    for (Callback& done : work.for_written) done(StoreFailure(status));
    const bool due = work.syncs() || closing || clock::Instant::Now() >= unsynced_since_ + max_unsynced_;
    if (status.ok() && due) status = Sync();
    // If that fails a start knows less of what there has to be.
    if (status.ok() && closing && synced() != Place()) (void)files_->SayEnd(synced());
    if (!status.ok()) {
      absl::MutexLock lock(&mu_);
      status_ = status;
    }
    for (auto* const waiting : {&work.for_synced, &work.after_synced}) {
      for (Callback& done : *waiting) done(StoreFailure(status));
    }
    if (!status.ok() && failed_) std::exchange(failed_, nullptr)(StoreFailure(status));
    work = Work();
    absl::MutexLock lock(&mu_);
    synced_all_ = written_ == synced_;
  }
}

void Committer::DropChunks() {
  std::vector<Chunk> dropped;
  absl::MutexLock lock(&mu_);
  dropped.swap(taken_.chunks);
  for (const Chunk& chunk : dropped) unwritten_bytes_ -= chunk.bytes.size();
}

absl::Status Committer::WriteAll(const std::vector<Chunk>& chunks) {
  for (const Chunk& chunk : chunks) {
    if (chunk.place.segment != segment_) {
      // What is in a segment was durable before the next one begins.
      if (absl::Status synced = Sync(); !synced.ok()) return synced;
      absl::Status begun = WithSpace([&] {
        auto file = files_->Begin(chunk.place.segment, synced());
        if (!file.ok()) return file.status();
        file_ = *std::move(file);
        return absl::OkStatus();
      });
      // From now on it is missed if it is not there.
      const Place first{chunk.place.segment, kSegmentHeaderBytes};
      if (begun.ok()) begun = WithSpace([&] { return files_->SayEnd(first); });
      if (!begun.ok()) return begun;
      segment_ = chunk.place.segment;
    }
    if (unsynced_since_ == clock::Instant::InfiniteFuture()) unsynced_since_ = clock::Instant::Now();
    absl::Status written = WithSpace([&] { return file_->Write(chunk.place.offset, chunk.bytes); });
    if (!written.ok()) return written;
    absl::MutexLock lock(&mu_);
    written_ = {segment_, chunk.place.offset + chunk.bytes.size()};
  }
  return absl::OkStatus();
}

absl::Status Committer::Sync() {
  const Place end = written();
  if (end == synced()) return absl::OkStatus();
  if (absl::Status synced = file_->Sync(); !synced.ok()) return synced;
  if (absl::Status in_place = file_->CheckInPlace(); !in_place.ok()) return in_place;
  // What is behind the size that the file was made with would not be missed if it were cut off.
  if (end.offset > files_->segment_bytes()) {
    absl::Status said = WithSpace([&] { return files_->SayEnd(end); });
    if (!said.ok()) return said;
  }
  unsynced_since_ = clock::Instant::InfiniteFuture();
  absl::MutexLock lock(&mu_);
  synced_ = end;
  return absl::OkStatus();
}

void Committer::TellOfFullDisk() {
  files_->SetFull(true);
  std::vector<Callback> told;
  {
    absl::MutexLock lock(&mu_);
    for (Work* const work : {&taken_, &work_}) {
      for (auto* const waiting : {&work->for_written, &work->for_synced}) {
        for (Callback& done : *waiting) told.push_back(std::move(done));
        waiting->clear();
      }
    }
  }
  for (Callback& done : told) done(StillUnsafe());
}

absl::Status Committer::CheckInPlace() {
  const clock::Instant now = clock::Instant::Now();
  if (now < next_look_) return absl::OkStatus();
  next_look_ = now + kLookInterval;
  return files_->CheckInPlace();
}

absl::Status Committer::WithSpace(absl::FunctionRef<absl::Status()> write) {
  const clock::Instant patience_ends = clock::Instant::Now() + kFullDiskPatience;
  for (;;) {
    absl::Status status = write();
    if (!absl::IsResourceExhausted(status)) {
      files_->SetFull(false);
      return status;
    }
    if (clock::Instant::Now() >= patience_ends) TellOfFullDisk();
    absl::MutexLock lock(&mu_);
    const clock::Instant again = clock::Instant::Now() + kFullDiskInterval;
    while (waits_for_space_ && clock::Instant::Now() < again) changed_.WaitUntil(&mu_, again);
    if (!waits_for_space_) return status;
  }
}

}  // namespace errand::store::log
