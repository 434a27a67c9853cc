#include "server/sandbox/channel.h"

#include <unistd.h>

#include <cerrno>
#include <optional>
#include <variant>

namespace errand::sandbox {
namespace {

// What a batch leaves allocated for the next.
constexpr size_t kKeptBytes = 1 << 20;

// In one write: more than that nobody reads.
constexpr int kMaxProgressReports = 8;

// Of a frame that begins or resumes a run.
std::optional<uint64_t> AttemptOf(const Frame& frame) {
  if (const auto* run = std::get_if<Run>(&frame)) return run->attempt;
  if (const auto* resume = std::get_if<Resume>(&frame)) return resume->attempt;
  return std::nullopt;
}

}  // namespace

Channel::Channel() { buffer_.reserve(2 * kFlushBytes); }

Frame Channel::Next() {
  for (;;) {
    if (rest_.empty()) {
      Flush();
      if (buffer_.capacity() > kKeptBytes) {
        std::string().swap(buffer_);
        buffer_.reserve(2 * kFlushBytes);
      }
      Read(batch_);
      rest_returned_ = false;
      rest_ = batch_;
      batch_number_ = batch_number_ + 1;
    }
    const interrupts::HostSection section;
    Frame frame;
    if (!TakeFrame(rest_, frame)) _exit(2);
    if (!rest_returned_ || !AttemptOf(frame).has_value()) return frame;
  }
}

void Channel::ReturnRest() {
  if (rest_returned_) return;
  const interrupts::HostSection section;
  rest_returned_ = true;
  std::string_view rest = rest_;
  Frame frame;
  while (!rest.empty() && TakeFrame(rest, frame)) {
    // In a signal handler nothing may be allocated: there is room, these frames are small.
    if (buffer_.size() >= kFlushBytes) Write();
    if (const auto attempt = AttemptOf(frame)) Append(Returned{*attempt}, buffer_);
  }
  last_output_ = kNone;
  Write();
}

Answer Channel::ReadAnswer() {
  Flush();
  Read(answer_);
  std::string_view rest = answer_;
  Frame frame;
  if (!TakeFrame(rest, frame) || !rest.empty()) _exit(2);
  const auto* answer = std::get_if<Answer>(&frame);
  if (answer == nullptr) _exit(2);
  return *answer;
}

void Channel::Read(std::string& batch) {
  // A short batch takes one call.
  constexpr size_t kFirstRead = 16 << 10;
  if (batch.capacity() > kKeptBytes) std::string().swap(batch);
  char first[kFirstRead];
  size_t got = 0;
  size_t wanted = kBatchHeaderBytes;
  bool sized = false;
  while (got < wanted) {
    char* const into = sized ? batch.data() + got - kBatchHeaderBytes : first + got;
    const size_t most = sized ? wanted - got : sizeof first - got;
    const ssize_t size = read(fd_, into, most);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) _exit(0);
    got += static_cast<size_t>(size);
    if (sized || got < kBatchHeaderBytes) continue;
    sized = true;
    const size_t frames = BatchSize(first);
    wanted = kBatchHeaderBytes + frames;
    // One batch at a time: whatever follows does not belong here.
    if (frames > kMaxBatchBytes || got > wanted) _exit(2);
    batch.resize(frames);
    batch.replace(0, got - kBatchHeaderBytes, first + kBatchHeaderBytes, got - kBatchHeaderBytes);
  }
}

void Channel::Send(const Output& output) {
  // In pieces, so that the buffer stays small.
  for (std::string_view rest = output.data; !rest.empty();) {
    const std::string_view piece = rest.substr(0, kFlushBytes);
    SendPiece(Output{output.attempt, piece});
    rest.remove_prefix(piece.size());
  }
}

void Channel::SendPiece(const Output& output) {
  const interrupts::HostSection section;
  if (last_output_ != kNone && last_attempt_ == output.attempt) {
    Extend(last_output_, output.data, buffer_);
  } else {
    last_output_ = buffer_.size();
    last_attempt_ = output.attempt;
    Append(output, buffer_);
  }
  if (buffer_.size() >= kFlushBytes) Write();
}

void Channel::Send(const Done& done) {
  const interrupts::HostSection section;
  const size_t start = buffer_.size();
  last_output_ = kNone;
  if (done.data.size() < kFlushBytes) {
    Append(done, buffer_);
    if (buffer_.size() >= kFlushBytes) Write();
    return;
  }
  // What is large is written from where it lies.
  Done head = done;
  head.data = {};
  Append(head, buffer_);
  Announce(start, done.data.size(), buffer_);
  Write();
  Write(done.data);
}

void Channel::Send(const Progress& progress) {
  const interrupts::HostSection section;
  const bool replaces = last_progress_ != kNone && last_attempt_ == progress.attempt &&
                        (last_progress_end_ == buffer_.size() || progress_reports_ >= kMaxProgressReports);
  if (replaces) {
    buffer_.erase(last_progress_, last_progress_end_ - last_progress_);
  } else {
    ++progress_reports_;
  }
  last_output_ = kNone;
  last_progress_ = buffer_.size();
  last_attempt_ = progress.attempt;
  Append(progress, buffer_);
  last_progress_end_ = buffer_.size();
  if (buffer_.size() >= kFlushBytes) Write();
}

void Channel::Flush() {
  const interrupts::HostSection section;
  Write();
}

void Channel::Write() {
  Write(buffer_);
  buffer_.clear();
  last_output_ = kNone;
  last_progress_ = kNone;
  progress_reports_ = 0;
}

void Channel::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = write(fd_, bytes.data(), bytes.size());
    if (size > 0) {
      bytes.remove_prefix(static_cast<size_t>(size));
    } else if (errno != EINTR) {
      _exit(0);
    }
  }
}

}  // namespace errand::sandbox
