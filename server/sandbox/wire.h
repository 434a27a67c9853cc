#ifndef ERRAND_SERVER_SANDBOX_WIRE_H_
#define ERRAND_SERVER_SANDBOX_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "server/task/limits.h"

// What the server and errand-sandbox say to each other over a socketpair (SOCK_STREAM).
//
// A stream of frames each way. Integers are little-endian, without padding; f64 is an IEEE 754 double;
// `text` is UTF-8 and `bytes` anything, either up to the end of the frame.
//
//   frame:    u32 size of what follows | u8 type | body
//
//   from the server
//   1  Run       u64 memory bytes | u64 output bytes | u32 attempt
//                | u32 size, name | u32 size, payload | u32 size, source
//   2  Check     bytes source
//
//   from the sandbox
//   16 Ready     u32 protocol version
//   17 Refused   text problem              lock-down failed; the process ends
//   18 Output    bytes data                what the script printed, 1 byte or more
//   19 Log       u8 level (1 debug, 2 info, 3 warning, 4 error) | text message
//   20 Progress  f64 completed | f64 total | text message
//   21 Done      u8 ending | u8 permanent (0, 1) | u8 content | u64 CPU ns | u64 peak memory bytes
//                | u64 output bytes | bytes result or text error message
//   22 Checked   u8 compiles (0, 1) | text problem
//
// The sandbox says Ready once. A Run is answered with any number of Output, Log and Progress, then one
// Done; a Check with one Checked. The server sends the next frame only after that. After a Done that says
// kMemoryExceeded or kOutputExceeded the process ends.
namespace errand::sandbox {

inline constexpr uint32_t kProtocolVersion = 1;

// No frame to the sandbox is larger, nor one from it with a result of the largest size.
inline constexpr size_t kMaxNameBytes = 1 << 10;
inline constexpr size_t kMaxErrorBytes = 16 << 10;
inline constexpr size_t kFrameOverhead = 64;
inline constexpr size_t kMaxFrameToSandbox =
    task::kMaxSourceBytes + task::kMaxPayloadBytes + kMaxNameBytes + kFrameOverhead;
inline constexpr size_t kMaxFrameFromSandbox = task::kMaxOutputBytes + kMaxErrorBytes + kFrameOverhead;

struct Run {
  uint64_t memory_bytes = 0;
  uint64_t output_bytes = 0;
  int32_t attempt = 0;
  std::string_view name;
  std::string_view payload;
  std::string_view source;
};

struct Check {
  std::string_view source;
};

struct Ready {
  uint32_t version = kProtocolVersion;
};

struct Refused {
  std::string_view problem;  // At most kMaxErrorBytes, as every text but those of Log and Progress.
};

struct Output {
  std::string_view data;
};

enum class LogLevel : uint8_t { kDebug = 1, kInfo = 2, kWarning = 3, kError = 4 };

struct Log {
  LogLevel level = LogLevel::kInfo;
  std::string_view message;  // At most task::kMaxLogLineBytes.
};

struct Progress {
  double completed = 0;
  double total = 0;
  std::string_view message;  // At most task::kMaxProgressMessageBytes.
};

enum class Ending : uint8_t {
  kOk = 0,
  kError = 1,
  kSyntaxError = 2,
  kResultInvalid = 3,
  kMemoryExceeded = 4,
  kOutputExceeded = 5,
};

enum class Content : uint8_t { kNone = 0, kText = 1, kBytes = 2, kJson = 3 };

struct Done {
  Ending ending = Ending::kOk;
  bool permanent = false;
  Content content = Content::kNone;  // kNone unless `ending` is kOk.
  uint64_t cpu_nanos = 0;
  uint64_t peak_memory_bytes = 0;
  uint64_t output_bytes = 0;
  std::string_view data = "";
};

struct Checked {
  bool compiles = true;
  std::string_view problem = "";
};

using Frame = std::variant<std::monostate, Run, Check, Ready, Refused, Output, Log, Progress, Done, Checked>;

// Appends a frame to `out`. The fields must be within their bounds.
void Append(const Run& frame, std::string& out);
void Append(const Check& frame, std::string& out);
void Append(const Ready& frame, std::string& out);
void Append(const Refused& frame, std::string& out);
void Append(const Output& frame, std::string& out);
void Append(const Log& frame, std::string& out);
void Append(const Progress& frame, std::string& out);
void Append(const Done& frame, std::string& out);
void Append(const Checked& frame, std::string& out);

// Adds to the data of an Output that is the last frame in `out` and starts at `start`.
void Extend(size_t start, std::string_view data, std::string& out);

// Takes a stream apart into frames. Believes nothing: a type, size, enumerator or text that the format does
// not allow makes the stream invalid, for good.
class FrameReader {
 public:
  explicit FrameReader(size_t max_frame_bytes) : max_frame_bytes_(max_frame_bytes) {}

  // Frames may not be larger than this from now on.
  void set_max_frame_bytes(size_t bytes) { max_frame_bytes_ = bytes; }

  // More of the stream.
  void Add(std::string_view bytes);

  enum class Result { kFrame, kNeedMore, kInvalid };

  // The next frame. What it views is valid until the next call of Add.
  Result Next(Frame& frame);

 private:
  size_t max_frame_bytes_;
  bool invalid_ = false;
  std::string buffer_;
  size_t begin_ = 0;  // Where the next frame starts in `buffer_`.
};

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_WIRE_H_
