#include "tests/isolation/uploader.h"

#include <algorithm>

#include "tests/isolation/http2_bytes.h"

namespace errand {
namespace {

constexpr int64_t kFrameBytes = 16'384;

uint32_t Number(absl::string_view bytes) {
  uint32_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<uint8_t>(byte);
  return number;
}

}  // namespace

Uploader::Uploader(const std::string& address) : connection_(address) {
  connection_.SendWithoutReading(http2::Hello());
}

bool Uploader::Begin(uint32_t stream, absl::string_view path, absl::string_view more_headers) {
  windows_[stream] = initial_window_;
  return connection_.SendWithoutReading(
      http2::Frame(http2::kHeaders, http2::kEndHeaders, stream, http2::CallHeaders(path, more_headers)));
}

int64_t Uploader::SendSome(uint32_t stream, absl::string_view bytes) {
  int64_t& window = windows_[stream];
  int64_t sent = 0;
  while (!bytes.empty()) {
    const int64_t size = std::min({window_, window, kFrameBytes, static_cast<int64_t>(bytes.size())});
    if (size <= 0) break;
    const auto length = static_cast<size_t>(size);
    if (!connection_.SendWithoutReading(http2::Frame(http2::kData, 0, stream, bytes.substr(0, length))))
      return -1;
    bytes.remove_prefix(length);
    window -= size;
    window_ -= size;
    sent += size;
  }
  return sent;
}

bool Uploader::ReadFrames(absl::Duration patience) {
  const std::string more = connection_.Receive(patience);
  if (more.empty() && connection_.WaitForEnd(absl::ZeroDuration())) return false;
  received_ += more;
  while (received_.size() >= 9) {
    const size_t length = Number(received_.substr(0, 3));
    if (received_.size() < 9 + length) break;
    const absl::string_view frame(received_);
    if (!OnFrame(static_cast<uint8_t>(frame[3]), static_cast<uint8_t>(frame[4]), Number(frame.substr(5, 4)),
                 frame.substr(9, length))) {
      return false;
    }
    received_.erase(0, 9 + length);
  }
  return true;
}

bool Uploader::OnFrame(uint8_t type, uint8_t flags, uint32_t stream, absl::string_view payload) {
  if (type == http2::kWindowUpdate) {
    (stream == 0 ? window_ : windows_[stream]) += Number(payload);
  } else if (type == http2::kSettings && (flags & http2::kAck) == 0) {
    for (; payload.size() >= 6; payload.remove_prefix(6)) {
      if (Number(payload.substr(0, 2)) != 4) continue;
      const int64_t change = static_cast<int64_t>(Number(payload.substr(2, 4))) - initial_window_;
      initial_window_ += change;
      for (auto& [id, window] : windows_) window += change;
    }
    return connection_.SendWithoutReading(http2::Frame(http2::kSettings, http2::kAck, 0));
  } else if (type == http2::kPing && (flags & http2::kAck) == 0) {
    return connection_.SendWithoutReading(http2::Frame(http2::kPing, http2::kAck, 0, payload));
  }
  return true;
}

}  // namespace errand
