#include "server/sandbox/wire.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "server/sandbox/utf8.h"

namespace errand::sandbox {
namespace {

enum class Type : uint8_t {
  kRun = 1,
  kCheck = 2,
  kResume = 3,
  kScript = 4,
  kForget = 5,
  kAnswer = 6,
  kReady = 16,
  kOutput = 18,
  kLog = 19,
  kProgress = 20,
  kDone = 21,
  kChecked = 22,
  kParked = 23,
  kReturned = 24,
  kCall = 25,
  kWaits = 26,
};

constexpr size_t kSizeBytes = sizeof(uint32_t);

template <class T>
T LittleEndian(T value) {
  static_assert(std::is_unsigned_v<T>);
  if constexpr (std::endian::native == std::endian::big) {
    T swapped = 0;
    for (size_t i = 0; i < sizeof value; ++i) {
      swapped = static_cast<T>(swapped << 8 | ((value >> (8 * i)) & 0xFF));
    }
    return swapped;
  }
  return value;
}

// Fills in the size of the last frame in `out`, which starts at `start`; `more` of its bytes are elsewhere.
void PutSizeOfLast(size_t start, std::string& out, size_t more = 0) {
  const uint32_t size = LittleEndian(static_cast<uint32_t>(out.size() + more - start - kSizeBytes));
  std::memcpy(&out[start], &size, sizeof size);
}

// Writes one frame; its size is filled in at the end.
class Writer {
 public:
  Writer(Type type, std::string& out) : out_(out), start_(out.size()) {
    Put(uint32_t{0});
    Put(static_cast<uint8_t>(type));
  }
  ~Writer() { PutSizeOfLast(start_, out_); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  template <class T>
  Writer& Put(T value) {
    value = LittleEndian(value);
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out_.append(bytes, sizeof value);
    return *this;
  }
  Writer& Put(double value) { return Put(std::bit_cast<uint64_t>(value)); }
  Writer& Put(bool value) { return Put(static_cast<uint8_t>(value ? 1 : 0)); }
  Writer& PutRest(std::string_view bytes) {
    out_ += bytes;
    return *this;
  }
  Writer& PutSized(std::string_view bytes) { return Put(static_cast<uint32_t>(bytes.size())).PutRest(bytes); }

 private:
  std::string& out_;
  const size_t start_;
};

// Reads the body of one frame. Every method says whether the bytes were there and allowed.
class Body {
 public:
  explicit Body(std::string_view rest) : rest_(rest) {}

  template <class T>
  requires std::is_unsigned_v<T>
  bool Get(T& value) {
    if (rest_.size() < sizeof value) return false;
    std::memcpy(&value, rest_.data(), sizeof value);
    value = LittleEndian(value);
    rest_.remove_prefix(sizeof value);
    return true;
  }
  bool Get(bool& value) {
    uint8_t byte;
    if (!Get(byte) || byte > 1) return false;
    value = byte == 1;
    return true;
  }
  bool Get(double& value) {
    uint64_t bits;
    if (!Get(bits)) return false;
    value = std::bit_cast<double>(bits);
    return std::isfinite(value);
  }
  template <class Enum>
  bool Get(Enum& value, Enum first, Enum last) {
    uint8_t byte;
    if (!Get(byte)) return false;
    if (byte < static_cast<uint8_t>(first) || byte > static_cast<uint8_t>(last)) return false;
    value = static_cast<Enum>(byte);
    return true;
  }
  bool GetSized(std::string_view& bytes, size_t max) {
    uint32_t size;
    if (!Get(size) || size > max || size > rest_.size()) return false;
    bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }
  bool GetRest(std::string_view& bytes) {
    bytes = rest_;
    rest_ = {};
    return true;
  }
  bool GetText(std::string_view& text, size_t max) {
    return rest_.size() <= max && IsUtf8(rest_) && GetRest(text);
  }
  bool AtEnd() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

bool Decode(Body& body, Run& run) {
  uint32_t number;
  if (!body.Get(run.attempt) || !body.Get(run.memory_bytes) || !body.Get(run.output_bytes) ||
      !body.Get(run.cpu_nanos) || !body.Get(run.seed) || !body.Get(run.deadline) || !body.Get(number) ||
      !body.Get(run.script)) {
    return false;
  }
  run.number = static_cast<int32_t>(number);
  return run.memory_bytes <= task::kMaxMemoryBytes && run.output_bytes <= task::kMaxOutputBytes &&
         body.GetSized(run.name, kMaxNameBytes) && body.GetSized(run.chunk_name, kMaxNameBytes) &&
         body.GetSized(run.payload, task::kMaxPayloadBytes) &&
         body.GetSized(run.source, task::kMaxSourceBytes);
}

bool Decode(Body& body, Check& check) {
  return body.GetRest(check.source) && check.source.size() <= task::kMaxSourceBytes;
}

bool Decode(Body& body, Resume& resume) {
  return body.Get(resume.attempt) && body.Get(resume.script) && body.Get(resume.answered) &&
         body.Get(resume.ok) && body.GetSized(resume.answer, kMaxCallBytes) &&
         body.GetRest(resume.difference) && resume.difference.size() <= kMaxDifferenceBytes;
}

bool Decode(Body& body, Script& script) {
  return body.Get(script.script) && script.script != 0 && body.GetSized(script.chunk_name, kMaxNameBytes) &&
         body.GetRest(script.source) && script.source.size() <= task::kMaxSourceBytes;
}

bool Decode(Body& body, Forget& forget) { return body.Get(forget.script); }

bool Decode(Body& body, Answer& answer) {
  return body.Get(answer.attempt) && body.Get(answer.ok) && body.GetRest(answer.answer) &&
         answer.answer.size() <= kMaxCallBytes;
}

bool Decode(Body& body, Ready& ready) { return body.Get(ready.version); }

bool Decode(Body& body, Output& output) {
  return body.Get(output.attempt) && body.GetRest(output.data) && !output.data.empty();
}

bool Decode(Body& body, Log& log) {
  return body.Get(log.attempt) && body.Get(log.level, LogLevel::kDebug, LogLevel::kError) &&
         body.GetText(log.message, task::kMaxLogLineBytes);
}

bool Decode(Body& body, Progress& progress) {
  return body.Get(progress.attempt) && body.Get(progress.completed) && body.Get(progress.total) &&
         body.GetText(progress.message, task::kMaxProgressMessageBytes);
}

bool Decode(Body& body, Done& done) {
  if (!body.Get(done.attempt) || !body.Get(done.ending, Ending::kOk, Ending::kBroken) ||
      !body.Get(done.permanent) || !body.Get(done.content, Content::kNone, Content::kJson) ||
      !body.Get(done.cpu_nanos) || !body.Get(done.peak_memory_bytes) || !body.Get(done.output_bytes)) {
    return false;
  }
  if (done.ending == Ending::kOk && done.content != Content::kText && done.content != Content::kJson) {
    return body.GetRest(done.data);
  }
  if (done.ending == Ending::kOk) return body.GetText(done.data, task::kMaxOutputBytes);
  return done.content == Content::kNone && body.GetText(done.data, kMaxErrorBytes);
}

bool Decode(Body& body, Checked& checked) {
  return body.Get(checked.compiles) && body.Get(checked.line) && body.Get(checked.column) &&
         body.GetText(checked.problem, kMaxErrorBytes);
}

bool Decode(Body& body, Parked& parked) {
  return body.Get(parked.attempt) && body.Get(parked.why, Why::kSleeps, Why::kGivesWay) &&
         body.Get(parked.wake_nanos) && body.Get(parked.cpu_nanos) && body.GetRest(parked.difference) &&
         parked.difference.size() <= kMaxDifferenceBytes;
}

bool Decode(Body& body, Returned& returned) { return body.Get(returned.attempt); }

bool Decode(Body& body, Call& call) {
  return body.Get(call.attempt) && body.Get(call.leaves) &&
         body.Get(call.function, Function::kSharedGet, Function::kSubmit) && body.GetRest(call.arguments) &&
         call.arguments.size() <= kMaxCallBytes;
}

bool Decode(Body& body, Waits& waits) {
  return body.Get(waits.attempt) && body.Get(waits.why, Why::kSleeps, Why::kGivesWay) &&
         body.Get(waits.wake_nanos);
}

template <class T>
bool DecodeAs(Body body, Frame& frame) {
  T decoded;
  if (!Decode(body, decoded) || !body.AtEnd()) return false;
  frame = decoded;
  return true;
}

bool DecodeFrame(std::string_view bytes, Frame& frame) {
  const Body body(bytes.substr(1));
  switch (static_cast<Type>(bytes[0])) {
    case Type::kRun:
      return DecodeAs<Run>(body, frame);
    case Type::kCheck:
      return DecodeAs<Check>(body, frame);
    case Type::kResume:
      return DecodeAs<Resume>(body, frame);
    case Type::kScript:
      return DecodeAs<Script>(body, frame);
    case Type::kForget:
      return DecodeAs<Forget>(body, frame);
    case Type::kAnswer:
      return DecodeAs<Answer>(body, frame);
    case Type::kReady:
      return DecodeAs<Ready>(body, frame);
    case Type::kOutput:
      return DecodeAs<Output>(body, frame);
    case Type::kLog:
      return DecodeAs<Log>(body, frame);
    case Type::kProgress:
      return DecodeAs<Progress>(body, frame);
    case Type::kDone:
      return DecodeAs<Done>(body, frame);
    case Type::kChecked:
      return DecodeAs<Checked>(body, frame);
    case Type::kParked:
      return DecodeAs<Parked>(body, frame);
    case Type::kReturned:
      return DecodeAs<Returned>(body, frame);
    case Type::kCall:
      return DecodeAs<Call>(body, frame);
    case Type::kWaits:
      return DecodeAs<Waits>(body, frame);
  }
  return false;
}

}  // namespace

void Append(const Run& frame, std::string& out) {
  Writer(Type::kRun, out)
      .Put(frame.attempt)
      .Put(frame.memory_bytes)
      .Put(frame.output_bytes)
      .Put(frame.cpu_nanos)
      .Put(frame.seed)
      .Put(frame.deadline)
      .Put(static_cast<uint32_t>(frame.number))
      .Put(frame.script)
      .PutSized(frame.name)
      .PutSized(frame.chunk_name)
      .PutSized(frame.payload)
      .PutSized(frame.source);
}

void Append(const Check& frame, std::string& out) { Writer(Type::kCheck, out).PutRest(frame.source); }

void Append(const Resume& frame, std::string& out) {
  Writer(Type::kResume, out)
      .Put(frame.attempt)
      .Put(frame.script)
      .Put(frame.answered)
      .Put(frame.ok)
      .PutSized(frame.answer)
      .PutRest(frame.difference);
}

void Append(const Script& frame, std::string& out) {
  Writer(Type::kScript, out).Put(frame.script).PutSized(frame.chunk_name).PutRest(frame.source);
}

void Append(const Forget& frame, std::string& out) { Writer(Type::kForget, out).Put(frame.script); }

void Append(const Answer& frame, std::string& out) {
  Writer(Type::kAnswer, out).Put(frame.attempt).Put(frame.ok).PutRest(frame.answer);
}

void Append(const Ready& frame, std::string& out) { Writer(Type::kReady, out).Put(frame.version); }

void Append(const Output& frame, std::string& out) {
  Writer(Type::kOutput, out).Put(frame.attempt).PutRest(frame.data);
}

void Append(const Log& frame, std::string& out) {
  Writer(Type::kLog, out).Put(frame.attempt).Put(static_cast<uint8_t>(frame.level)).PutRest(frame.message);
}

void Append(const Progress& frame, std::string& out) {
  Writer(Type::kProgress, out)
      .Put(frame.attempt)
      .Put(frame.completed)
      .Put(frame.total)
      .PutRest(frame.message);
}

void Append(const Done& frame, std::string& out) {
  Writer(Type::kDone, out)
      .Put(frame.attempt)
      .Put(static_cast<uint8_t>(frame.ending))
      .Put(frame.permanent)
      .Put(static_cast<uint8_t>(frame.content))
      .Put(frame.cpu_nanos)
      .Put(frame.peak_memory_bytes)
      .Put(frame.output_bytes)
      .PutRest(frame.data);
}

void Append(const Checked& frame, std::string& out) {
  Writer(Type::kChecked, out).Put(frame.compiles).Put(frame.line).Put(frame.column).PutRest(frame.problem);
}

void Append(const Parked& frame, std::string& out) {
  Writer(Type::kParked, out)
      .Put(frame.attempt)
      .Put(static_cast<uint8_t>(frame.why))
      .Put(frame.wake_nanos)
      .Put(frame.cpu_nanos)
      .PutRest(frame.difference);
}

void Append(const Returned& frame, std::string& out) { Writer(Type::kReturned, out).Put(frame.attempt); }

void Append(const Call& frame, std::string& out) {
  Writer(Type::kCall, out)
      .Put(frame.attempt)
      .Put(frame.leaves)
      .Put(static_cast<uint8_t>(frame.function))
      .PutRest(frame.arguments);
}

void Append(const Waits& frame, std::string& out) {
  Writer(Type::kWaits, out).Put(frame.attempt).Put(static_cast<uint8_t>(frame.why)).Put(frame.wake_nanos);
}

void Append(const SharedArguments& arguments, std::string& out) {
  const auto put = [&out](auto value) {
    value = LittleEndian(value);
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  put(arguments.ttl_millis);
  put(static_cast<uint64_t>(arguments.by));
  put(static_cast<uint32_t>(arguments.key.size()));
  out.append(arguments.key).append(arguments.value);
}

bool Parse(std::string_view bytes, SharedArguments& arguments) {
  Body body(bytes);
  uint64_t by;
  if (!body.Get(arguments.ttl_millis) || !body.Get(by) || !body.GetSized(arguments.key, kMaxCallBytes)) {
    return false;
  }
  arguments.by = static_cast<int64_t>(by);
  return body.GetRest(arguments.value);
}

void Extend(size_t start, std::string_view data, std::string& out) {
  out += data;
  PutSizeOfLast(start, out);
}

void Announce(size_t start, size_t bytes, std::string& out) { PutSizeOfLast(start, out, bytes); }

void StartBatch(std::string& out) { out.assign(kBatchHeaderBytes, '\0'); }

void FinishBatch(std::string& out) { PutSizeOfLast(0, out); }

size_t BatchSize(const char* header) {
  uint32_t size;
  std::memcpy(&size, header, sizeof size);
  return LittleEndian(size);
}

bool TakeFrame(std::string_view& bytes, Frame& frame) {
  uint32_t size;
  if (bytes.size() < kSizeBytes) return false;
  Body(bytes).Get(size);
  if (size == 0 || size > bytes.size() - kSizeBytes) return false;
  if (!DecodeFrame(bytes.substr(kSizeBytes, size), frame)) return false;
  bytes.remove_prefix(kSizeBytes + size);
  return true;
}

void FrameReader::Add(std::string_view bytes) {
  if (invalid_) return;
  buffer_.erase(0, begin_);
  begin_ = 0;
  buffer_ += bytes;
}

FrameReader::Result FrameReader::Next(Frame& frame) {
  if (invalid_) return Result::kInvalid;
  const std::string_view rest = std::string_view(buffer_).substr(begin_);
  uint32_t size;
  if (rest.size() < kSizeBytes) return Result::kNeedMore;
  Body(rest).Get(size);
  if (size == 0 || size > max_frame_bytes_) {
    invalid_ = true;
    return Result::kInvalid;
  }
  if (rest.size() - kSizeBytes < size) return Result::kNeedMore;
  if (!DecodeFrame(rest.substr(kSizeBytes, size), frame)) {
    invalid_ = true;
    return Result::kInvalid;
  }
  begin_ += kSizeBytes + size;
  return Result::kFrame;
}

}  // namespace errand::sandbox
