#ifndef ERRAND_TESTS_ISOLATION_HTTP2_BYTES_H_
#define ERRAND_TESTS_ISOLATION_HTTP2_BYTES_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

// The bytes of HTTP/2 and gRPC as a client may send them that makes them itself.
namespace errand::http2 {

enum Type : uint8_t {
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kRstStream = 3,
  kSettings = 4,
  kPing = 6,
  kWindowUpdate = 8,
  kContinuation = 9,
};

constexpr uint8_t kAck = 1;
constexpr uint8_t kEndStream = 1;
constexpr uint8_t kEndHeaders = 4;
constexpr uint8_t kPadded = 8;

inline std::string BigEndian(uint32_t number, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    text += static_cast<char>((number >> shift) & 0xff);
  return text;
}

inline std::string Frame(uint8_t type, uint8_t flags, uint32_t stream, absl::string_view payload = "") {
  std::string frame = BigEndian(static_cast<uint32_t>(payload.size()), 3);
  frame += static_cast<char>(type);
  frame += static_cast<char>(flags);
  frame += BigEndian(stream, 4);
  frame.append(payload.data(), payload.size());
  return frame;
}

// The preface and SETTINGS, which a client begins with.
inline std::string Hello() { return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(kSettings, 0, 0); }

// A string of HPACK without Huffman's code, of less than 127 bytes (RFC 7541, section 5.2).
inline std::string HpackString(absl::string_view text) {
  std::string bytes(1, static_cast<char>(text.size()));
  bytes.append(text.data(), text.size());
  return bytes;
}

// An integer of HPACK behind a prefix whose bits are all set: what is more than those (section 5.1).
inline std::string HpackRest(uint32_t number) {
  std::string bytes;
  for (; number >= 128; number >>= 7) bytes += static_cast<char>((number & 0x7f) | 0x80);
  bytes += static_cast<char>(number);
  return bytes;
}

// The header block of a call. `more` is added as it is.
inline std::string CallHeaders(absl::string_view path, absl::string_view more = "") {
  std::string block = "\x83\x86";  // :method POST, :scheme http.
  block += '\x04' + HpackString(path) + '\x01' + HpackString("localhost");
  block += "\x0f\x10" + HpackString("application/grpc");
  block += std::string(1, '\0') + HpackString("te") + HpackString("trailers");
  block.append(more.data(), more.size());
  return block;
}

// A gRPC message that is not compressed.
inline std::string Message(absl::string_view bytes) {
  std::string message(1, '\0');
  message += BigEndian(static_cast<uint32_t>(bytes.size()), 4);
  message.append(bytes.data(), bytes.size());
  return message;
}

}  // namespace errand::http2

#endif  // ERRAND_TESTS_ISOLATION_HTTP2_BYTES_H_
