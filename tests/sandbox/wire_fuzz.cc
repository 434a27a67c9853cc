// Bytes from a sandbox that an attacker controls, whole and in pieces: a libFuzzer entry, which wire_test.cc
// calls with random bytes, too.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/sandbox/utf8.h"
#include "server/sandbox/wire.h"

namespace errand::sandbox {
namespace {

// What is decoded must obey the bounds that wire.h promises.
void Require(bool condition) {
  if (!condition) std::abort();
}

void CheckFrame(const Frame& frame) {
  if (const auto* log = std::get_if<Log>(&frame)) {
    Require(log->message.size() <= static_cast<size_t>(task::kMaxLogLineBytes) && IsUtf8(log->message));
  } else if (const auto* progress = std::get_if<Progress>(&frame)) {
    Require(progress->message.size() <= static_cast<size_t>(task::kMaxProgressMessageBytes));
    Require(progress->completed == progress->completed);
  } else if (const auto* done = std::get_if<Done>(&frame)) {
    Require(done->ending == Ending::kOk || (done->data.size() <= kMaxErrorBytes && IsUtf8(done->data)));
    Require((done->content != Content::kJson && done->content != Content::kText) || IsUtf8(done->data));
  } else if (const auto* parked = std::get_if<Parked>(&frame)) {
    Require(parked->difference.size() <= kMaxDifferenceBytes);
  } else if (const auto* call = std::get_if<Call>(&frame)) {
    Require(call->arguments.size() <= kMaxCallBytes);
    Require(call->function >= Function::kSharedGet && call->function <= Function::kSubmit);
  }
}

// The number of frames before the stream ended or became invalid.
int Read(std::string_view bytes, size_t piece) {
  FrameReader reader(1 << 16);
  int frames = 0;
  for (;;) {
    Frame frame;
    const FrameReader::Result result = reader.Next(frame);
    if (result == FrameReader::Result::kInvalid) return frames;
    if (result == FrameReader::Result::kFrame) {
      CheckFrame(frame);
      ++frames;
      continue;
    }
    if (bytes.empty()) return frames;
    reader.Add(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
}

}  // namespace
}  // namespace errand::sandbox

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const int frames = errand::sandbox::Read(bytes, size + 1);
  if (errand::sandbox::Read(bytes, 1) != frames) std::abort();
  return 0;
}
