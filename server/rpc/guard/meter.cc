#include "server/rpc/guard/meter.h"

#include <time.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace errand::rpc {
namespace {

// A header block may be twice what gRPC takes of metadata, since that counts what it decodes to, and need not
// come in more frames than a client has reason for. An empty CONTINUATION costs as much as some bytes.
constexpr uint32_t kMaxHeaderBytes = 16 << 10;
constexpr uint32_t kFrameBytes = 256;

// A client may begin streams before it has heard how many it may have open.
constexpr double kStreamsBeforeCut = 1.25;

// Frames that are neither requests nor messages. Those that gRPC answers cost more than WINDOW_UPDATE and
// PRIORITY. Each frame of an answer earns some, for there are clients that answer each message with two
// WINDOW_UPDATE and a PING, to find out how much the line takes.
constexpr double kOthers = 2000;
constexpr double kOthersASecond = 200;
constexpr double kOthersEarned = 12;
constexpr double kCheap = 1;
constexpr double kAnswered = 20;

// DATA frames: those with this many bytes earn as much as they take.
constexpr double kPieces = 4000;
constexpr double kPiecesASecond = 400;
constexpr double kPieceBytes = 16;

// Streams reset without an answer. A client may give up on many calls at once when it has had as many
// answered.
constexpr double kAbandoned = 1000;
constexpr double kAbandonedASecond = 50;
constexpr double kAbandonedAtFirst = 200;
// How much more each counts when all connections together abandon too many.
constexpr double kAbandonedTooMany = 20;
// What gRPC keeps of such a stream until the application has come to see it, beside its message.
constexpr double kCallBytes = 10 << 10;

}  // namespace

Meter::Meter(std::shared_ptr<Totals> totals, double share, double now, OnCut on_cut)
    : totals_(std::move(totals)),
      share_(share),
      on_cut_(std::move(on_cut)),
      client_(FrameParser::Side::kClient),
      server_(FrameParser::Side::kServer),
      others_(kOthers, kOthersASecond, share * kOthers, now),
      pieces_(kPieces, kPiecesASecond, share * kPieces, now),
      abandoned_(kAbandoned, kAbandonedASecond, share * kAbandonedAtFirst, now) {}

Meter::~Meter() { Close(); }

double Meter::Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

bool Meter::Received(absl::Span<const iovec> pieces, size_t size, double now) {
  absl::string_view verdict;
  {
    absl::MutexLock lock(&mu_);
    if (over_) return false;
    received_ = true;
    for (const iovec& piece : pieces) {
      absl::string_view bytes(static_cast<const char*>(piece.iov_base), std::min(size, piece.iov_len));
      size -= bytes.size();
      while (verdict_.empty() && !bytes.empty()) {
        const std::optional<Frame> frame = client_.Next(bytes);
        if (frame.has_value()) verdict_ = OnClientFrame(*frame, now);
      }
    }
    verdict = verdict_;
    over_ = !verdict.empty();
  }
  if (verdict.empty()) return true;
  on_cut_(verdict);
  return false;
}

void Meter::Sent(absl::Span<const iovec> pieces, size_t size, double now) {
  absl::MutexLock lock(&mu_);
  for (const iovec& piece : pieces) {
    absl::string_view bytes(static_cast<const char*>(piece.iov_base), std::min(size, piece.iov_len));
    size -= bytes.size();
    while (!bytes.empty()) {
      const std::optional<Frame> frame = server_.Next(bytes);
      if (frame.has_value()) OnServerFrame(*frame, now);
    }
  }
}

void Meter::Close() {
  absl::MutexLock lock(&mu_);
  over_ = true;
  totals_->AddStreams(-static_cast<int64_t>(streams_.size()));
  totals_->AddUnanswered(-unanswered_bytes_);
  streams_.clear();
  unanswered_bytes_ = 0;
}

bool Meter::has_received() const {
  absl::MutexLock lock(&mu_);
  return received_;
}

Meter::Holdings Meter::Holds(double now) const {
  absl::MutexLock lock(&mu_);
  Holdings holdings{streams_.size(), unanswered_bytes_, 0};
  if (unanswered_bytes_ == 0) return holdings;
  for (const auto& [id, stream] : streams_) {
    holdings.byte_seconds += static_cast<double>(stream.unanswered_bytes) * (now - stream.since);
  }
  return holdings;
}

absl::string_view Meter::OnClientFrame(const Frame& frame, double now) {
  if (header_bytes_ > 0 && frame.type != FrameType::kContinuation) return "breaks off a header block";
  switch (frame.type) {
    case FrameType::kHeaders:
    case FrameType::kContinuation:
      return OnHeaders(frame, now);
    case FrameType::kData:
      return OnData(frame, now);
    case FrameType::kRstStream:
      return OnReset(frame, now);
    case FrameType::kWindowUpdate:
    case FrameType::kPriority:
      return OnOther(kCheap, now);
    default:
      return OnOther(kAnswered, now);
  }
}

absl::string_view Meter::OnHeaders(const Frame& frame, double now) {
  header_bytes_ += kFrameBytes + std::min(frame.length, kMaxHeaderBytes);
  if (header_bytes_ > kMaxHeaderBytes) return "sends more headers than allowed";
  if (frame.ends_headers()) header_bytes_ = 0;
  if (frame.type == FrameType::kContinuation) return "";
  if (frame.stream <= last_stream_) return OnOther(kAnswered, now);
  last_stream_ = frame.stream;
  streams_[frame.stream].since = now;
  totals_->AddStreams(1);
  if (static_cast<double>(streams_.size()) >
      kStreamsBeforeCut * share_ * totals_->limits().streams_of_connection) {
    return "has more streams open than allowed";
  }
  return "";
}

absl::string_view Meter::OnData(const Frame& frame, double now) {
  const auto stream = streams_.find(frame.stream);
  if (stream == streams_.end()) return OnOther(kCheap, now);
  stream->second.unanswered_bytes += frame.length;
  unanswered_bytes_ += frame.length;
  totals_->AddUnanswered(frame.length);
  pieces_.Earn(frame.length / kPieceBytes);
  if (!frame.ends_stream() && !pieces_.Take(now, 1)) return "sends its messages in pieces that are too small";
  return "";
}

absl::string_view Meter::OnReset(const Frame& frame, double now) {
  const auto stream = streams_.find(frame.stream);
  if (stream == streams_.end() || stream->second.answered) {
    End(frame.stream);
    return OnOther(kCheap, now);
  }
  const Stream abandoned = stream->second;
  End(frame.stream);
  return Abandon(abandoned, now);
}

absl::string_view Meter::OnOther(double cost, double now) {
  return others_.Take(now, cost) ? "" : "sends frames that ask for nothing faster than allowed";
}

absl::string_view Meter::Abandon(const Stream& stream, double now) {
  const bool all_may = totals_->TakeAbandoned(now, kCallBytes + static_cast<double>(stream.unanswered_bytes));
  const double cost = all_may ? 1 : kAbandonedTooMany;
  return abandoned_.Take(now, cost) ? "" : "resets streams before they are answered, faster than allowed";
}

void Meter::OnServerFrame(const Frame& frame, double now) {
  const auto stream = streams_.find(frame.stream);
  switch (frame.type) {
    case FrameType::kHeaders:
    case FrameType::kData:
      others_.Earn(kOthersEarned);
      pieces_.Earn(1);
      if (stream == streams_.end()) return;
      Answered(stream->second, now);
      if (!frame.ends_stream()) return;
      abandoned_.Earn(1);
      End(frame.stream);
      return;
    case FrameType::kRstStream: {
      if (stream == streams_.end()) return;
      // What a client does to a stream so that the server resets it costs what a reset of its own does.
      const Stream reset = stream->second;
      End(frame.stream);
      if (!reset.answered && verdict_.empty()) verdict_ = Abandon(reset, now);
      return;
    }
    default:
      return;
  }
}

void Meter::Answered(Stream& stream, double now) {
  unanswered_bytes_ -= stream.unanswered_bytes;
  totals_->AddUnanswered(-stream.unanswered_bytes);
  stream = {now, 0, true};
}

void Meter::End(uint32_t id) {
  const auto stream = streams_.find(id);
  if (stream == streams_.end()) return;
  unanswered_bytes_ -= stream->second.unanswered_bytes;
  totals_->AddUnanswered(-stream->second.unanswered_bytes);
  totals_->AddStreams(-1);
  streams_.erase(stream);
}

}  // namespace errand::rpc
