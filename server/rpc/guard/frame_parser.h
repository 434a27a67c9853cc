#ifndef ERRAND_SERVER_RPC_GUARD_FRAME_PARSER_H_
#define ERRAND_SERVER_RPC_GUARD_FRAME_PARSER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace errand::rpc {

// RFC 9113, sections 4.1 and 6.
enum class FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kRstStream = 3,
  kSettings = 4,
  kPushPromise = 5,
  kPing = 6,
  kGoAway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};

struct Frame {
  static constexpr uint8_t kEndStream = 0x1;
  static constexpr uint8_t kEndHeaders = 0x4;

  bool ends_stream() const { return (flags & kEndStream) != 0; }
  bool ends_headers() const { return (flags & kEndHeaders) != 0; }

  uint32_t length;  // Of the payload.
  FrameType type;   // Or any other number.
  uint8_t flags;
  uint32_t stream;
};

// Finds the frames in one direction of an HTTP/2 connection, however its bytes are cut into pieces. Payloads
// are skipped.
class FrameParser {
 public:
  // What a client sends first (RFC 9113, section 3.4).
  static constexpr absl::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

  enum class Side { kClient, kServer };

  // Of what `side` sends.
  explicit FrameParser(Side side) : preface_left_(side == Side::kClient ? kPreface.size() : 0) {}

  // False when the connection began as HTTP/2 does not: then nothing is parsed.
  bool is_http2() const { return is_http2_; }

  // Takes bytes from the front of `bytes` up to the end of the next frame's header. Nothing when that has not
  // come yet; then all of them are taken.
  std::optional<Frame> Next(absl::string_view& bytes) {
    if (preface_left_ > 0) TakePreface(bytes);
    const size_t skipped = std::min<size_t>(payload_left_, bytes.size());
    payload_left_ -= static_cast<uint32_t>(skipped);
    bytes.remove_prefix(is_http2_ ? skipped : bytes.size());
    // Most headers come in one piece.
    if (header_size_ == 0 && bytes.size() >= kHeaderBytes) {
      const Frame frame = Begin(bytes.data());
      bytes.remove_prefix(kHeaderBytes);
      return frame;
    }
    for (; !bytes.empty() && header_size_ < kHeaderBytes; bytes.remove_prefix(1)) {
      header_[header_size_++] = bytes.front();
    }
    if (header_size_ < kHeaderBytes) return std::nullopt;
    header_size_ = 0;
    return Begin(header_);
  }

 private:
  static constexpr size_t kHeaderBytes = 9;

  void TakePreface(absl::string_view& bytes) {
    const absl::string_view expected = kPreface.substr(kPreface.size() - preface_left_, bytes.size());
    is_http2_ = is_http2_ && absl::ConsumePrefix(&bytes, expected);
    preface_left_ -= expected.size();
  }

  // The frame that has this header; its payload comes next.
  Frame Begin(const char* header) {
    const auto byte = [header](size_t i) { return uint32_t{static_cast<uint8_t>(header[i])}; };
    payload_left_ = byte(0) << 16 | byte(1) << 8 | byte(2);
    return {payload_left_, static_cast<FrameType>(byte(3)), static_cast<uint8_t>(byte(4)),
            (byte(5) & 0x7f) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8)};
  }

  size_t preface_left_;
  bool is_http2_ = true;
  char header_[kHeaderBytes];  // The part of one that has come, where that is not all of it.
  size_t header_size_ = 0;
  uint32_t payload_left_ = 0;
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_GUARD_FRAME_PARSER_H_
