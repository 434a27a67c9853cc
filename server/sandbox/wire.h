#ifndef ERRAND_SERVER_SANDBOX_WIRE_H_
#define ERRAND_SERVER_SANDBOX_WIRE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "server/task/limits.h"

// What the server and a worker of errand-sandbox say to each other over a socketpair (SOCK_STREAM).
//
// A stream of frames each way. Integers are little-endian, without padding; f64 is an IEEE 754 double;
// `sized` is a u32 and so many bytes; `text` is UTF-8 and `bytes` anything, either up to the end of the
// frame.
//
//   frame:    u32 size of what follows | u8 type | body
//
// To the worker frames come in batches: u32 size of what follows | frames. It reads one whole, then works on
// its frames in order.
//
//   from the server
//   1  Run       u64 attempt | u64 memory bytes | u64 output bytes | u64 CPU ns | u64 seed
//                | f64 deadline, seconds since 1970 | u32 number | u32 script
//                | sized name | sized chunk name | sized payload | sized source, empty if there is a script
//   2  Check     bytes source
//   3  Resume    u64 attempt | u32 script | u8 answered (0, 1) | u8 ok (0, 1) | sized answer
//                | bytes difference
//   4  Script    u32 script, not 0 | sized chunk name | bytes source
//   5  Forget    u32 script
//   6  Answer    u64 attempt | u8 ok (0, 1) | bytes answer
//
//   from the worker
//   16 Ready     u32 protocol version
//   18 Output    u64 attempt | bytes data          what the script printed, 1 byte or more
//   19 Log       u64 attempt | u8 level (1 debug, 2 info, 3 warning, 4 error) | text message
//   20 Progress  u64 attempt | f64 completed | f64 total | text message
//   21 Done      u64 attempt | u8 ending | u8 permanent (0, 1) | u8 content | u64 CPU ns
//                | u64 peak memory bytes | u64 output bytes | bytes result or text error message
//   22 Checked   u8 compiles (0, 1) | u32 line | u32 column | text problem
//   23 Parked    u64 attempt | u8 why (1 sleep, 2 call, 3 gave way) | u64 wake ns | u64 CPU ns
//                | bytes difference
//   24 Returned  u64 attempt
//   25 Call      u64 attempt | u8 leaves (0, 1) | u8 function | bytes arguments
//   26 Waits     u64 attempt | u8 why, as of Parked | u64 wake ns
//
// A worker says Ready once. It answers a Check with one Checked, and a Run or Resume with any number of
// Output, Log, Progress, Call and Waits, then with one of
//   Done      it is over
//   Parked    the script waits: for a time, for the answer to the Call before, or because others should have
//             their turn. Any worker that was forked by the same process can Resume it.
//   Returned  it was not begun, because one before it takes long or because it is to end: it may be run
//             elsewhere, or again.
// Waits says the same as Parked of a script that is too large for that and keeps its worker. It goes on when
// an Answer comes, in a batch of its own; what that says counts where it waits for the answer to a Call. A
// Call that neither Parked nor Waits follows is answered likewise, at once. Script makes a worker ready to
// run a script many times and is not answered.
//
// The server sends the next batch when all of the one before it is answered. Two signals, queued with the
// attempt as their value, end an attempt (kStopSignal) or make it give way (kGiveWaySignal). The first
// also counts for one that is not begun yet; otherwise they mean nothing when it does not run.
namespace errand::sandbox {

inline constexpr uint32_t kProtocolVersion = 3;

// Counted from SIGRTMIN, which is a run-time value.
inline constexpr int kStopSignal = 0;
inline constexpr int kGiveWaySignal = 1;

// A worker's exit statuses: its run was over its CPU time, or needed more memory, in C++ code that cannot be
// left.
inline constexpr int kCpuExceededStatus = 10;
inline constexpr int kMemoryExceededStatus = 11;

inline constexpr size_t kMaxNameBytes = 1 << 10;
inline constexpr size_t kMaxErrorBytes = 16 << 10;
inline constexpr size_t kMaxCallBytes = 4 << 20;  // Arguments of a Call, and its answer.
// A script that would take more is not parked.
inline constexpr size_t kMaxDifferenceBytes = 1 << 20;
inline constexpr size_t kFrameOverhead = 128;
inline constexpr size_t kMaxFrameToSandbox = kMaxCallBytes + kMaxDifferenceBytes + kFrameOverhead;
inline constexpr size_t kMaxFrameFromSandbox = task::kMaxOutputBytes + kMaxErrorBytes + kFrameOverhead;
// A batch may be one frame of the largest size, or several of together at most kBatchBytes.
inline constexpr size_t kBatchBytes = 256 << 10;
inline constexpr size_t kMaxBatchBytes = kMaxFrameToSandbox + kBatchBytes;

// Names a script to a worker; 0 names none.
using ScriptNumber = uint32_t;

struct Run {
  uint64_t attempt = 0;
  uint64_t memory_bytes = 0;
  uint64_t output_bytes = 0;
  uint64_t cpu_nanos = 0;
  uint64_t seed = 0;  // Of math.random.
  double deadline = 0;
  int32_t number = 0;
  ScriptNumber script = 0;
  std::string_view name;
  std::string_view chunk_name;  // What messages call the script.
  std::string_view payload;
  std::string_view source;
};

struct Check {
  std::string_view source;
};

struct Resume {
  uint64_t attempt = 0;
  ScriptNumber script = 0;
  bool answered = false;  // There is an answer to the Call it waited for.
  bool ok = false;
  std::string_view answer;
  std::string_view difference;
};

struct Script {
  ScriptNumber script = 0;
  std::string_view chunk_name;
  std::string_view source;
};

struct Forget {
  ScriptNumber script = 0;
};

struct Answer {
  uint64_t attempt = 0;
  bool ok = false;
  std::string_view answer;  // A result, or an error message.
};

struct Ready {
  uint32_t version = kProtocolVersion;
};

struct Output {
  uint64_t attempt = 0;
  std::string_view data;
};

enum class LogLevel : uint8_t { kDebug = 1, kInfo = 2, kWarning = 3, kError = 4 };

struct Log {
  uint64_t attempt = 0;
  LogLevel level = LogLevel::kInfo;
  std::string_view message;  // At most task::kMaxLogLineBytes.
};

struct Progress {
  uint64_t attempt = 0;
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
  kCpuExceeded = 6,
  kStopped = 7,
  kBroken = 8,  // The difference to be resumed does not fit.
};

enum class Content : uint8_t { kNone = 0, kText = 1, kBytes = 2, kJson = 3 };

struct Done {
  uint64_t attempt = 0;
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
  uint32_t line = 0;    // Where it stops to make sense, from 1. 0 when not known.
  uint32_t column = 0;  // In bytes, from 1. 0 when not known.
  std::string_view problem = "";
};

enum class Why : uint8_t { kSleeps = 1, kCalls = 2, kGivesWay = 3 };

struct Parked {
  uint64_t attempt = 0;
  Why why = Why::kSleeps;
  uint64_t wake_nanos = 0;  // When to resume a script that sleeps, by CLOCK_MONOTONIC; otherwise 0.
  uint64_t cpu_nanos = 0;
  std::string_view difference;
};

struct Returned {
  uint64_t attempt = 0;
};

// What a script can ask the server to do. Arguments and answers:
//   kShared...    SharedArguments | the value. kSharedAdd answers "1" or "", kSharedIncrement the sum in
//   digits. kSubmit       a CreateTaskRequest in proto3 JSON | the task's name
enum class Function : uint8_t {
  kSharedGet = 1,
  kSharedSet = 2,
  kSharedAdd = 3,
  kSharedIncrement = 4,
  kSharedDelete = 5,
  kSubmit = 6,
};

// What a value of `shared` starts with, which is empty when there is none: text follows, or JSON.
inline constexpr char kTextTag = 's';
inline constexpr char kJsonTag = 'j';

// u64 milliseconds | u64 by | sized key | bytes value
struct SharedArguments {
  uint64_t ttl_millis = 0;  // 0 for ever.
  int64_t by = 0;           // Of kSharedIncrement.
  std::string_view key;
  std::string_view value;
};
void Append(const SharedArguments& arguments, std::string& out);
// False when `bytes` are none.
bool Parse(std::string_view bytes, SharedArguments& arguments);

struct Call {
  uint64_t attempt = 0;
  bool leaves = false;  // Parked or Waits follows.
  Function function = Function::kSharedGet;
  std::string_view arguments;
};

struct Waits {
  uint64_t attempt = 0;
  Why why = Why::kSleeps;
  uint64_t wake_nanos = 0;  // As of Parked.
};

using Frame = std::variant<std::monostate, Run, Check, Resume, Script, Forget, Answer, Ready, Output, Log,
                           Progress, Done, Checked, Parked, Returned, Call, Waits>;

// Appends a frame to `out`. The fields must be within their bounds.
void Append(const Run& frame, std::string& out);
void Append(const Check& frame, std::string& out);
void Append(const Resume& frame, std::string& out);
void Append(const Script& frame, std::string& out);
void Append(const Forget& frame, std::string& out);
void Append(const Answer& frame, std::string& out);
void Append(const Ready& frame, std::string& out);
void Append(const Output& frame, std::string& out);
void Append(const Log& frame, std::string& out);
void Append(const Progress& frame, std::string& out);
void Append(const Done& frame, std::string& out);
void Append(const Checked& frame, std::string& out);
void Append(const Parked& frame, std::string& out);
void Append(const Returned& frame, std::string& out);
void Append(const Call& frame, std::string& out);
void Append(const Waits& frame, std::string& out);

// Adds to the data of an Output that is the last frame in `out` and starts at `start`.
void Extend(size_t start, std::string_view data, std::string& out);

// Says of the last frame in `out`, which starts at `start`, that so many bytes follow which are not in `out`.
void Announce(size_t start, size_t bytes, std::string& out);

// A batch is made of: StartBatch, frames, FinishBatch. `out` holds nothing else.
void StartBatch(std::string& out);
void FinishBatch(std::string& out);

// The size that a batch starts with.
inline constexpr size_t kBatchHeaderBytes = sizeof(uint32_t);
size_t BatchSize(const char* header);

// Takes the first frame off `bytes`. False when there is no whole frame that the format allows. What the
// frame views is what `bytes` viewed.
bool TakeFrame(std::string_view& bytes, Frame& frame);

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
