// What scripts can do with text that comes from strangers: a libFuzzer entry for one script, the file
// FUZZED_SCRIPT, which gets the input as its payload.
//
// The run ends as any other does, within its memory and CPU time. A finding is a crash, or what a sanitizer
// sees, or an input that takes far longer than its CPU time (-timeout=10), or an error: scripts raise one
// when they see what must not be.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "server/sandbox/channel.h"
#include "server/sandbox/interpreter.h"
#include "server/sandbox/worker.h"

namespace errand::sandbox {
namespace {

class Fuzzed {
 public:
  Fuzzed() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
    frames_ = ends[0];
    channel_.set_fd(ends[1]);
    worker_.ListenToSignals();
    std::ifstream file(FUZZED_SCRIPT);
    const std::string source{std::istreambuf_iterator<char>(file), {}};
    script_ = interpreter_.Compile({1, "fuzzed", source});
    if (script_->image() == nullptr) std::abort();
  }

  void Run(std::string_view payload) {
    sandbox::Run run;
    run.attempt = 1;
    run.memory_bytes = 16 << 20;
    run.output_bytes = 16 << 10;  // The pipe takes it.
    run.cpu_nanos = 200'000'000;
    run.payload = payload.substr(0, task::kMaxPayloadBytes);
    interpreter_.StartClock();
    interpreter_.Execute(run, script_.get());
    channel_.Flush();
    CheckEnding();
  }

 private:
  void CheckEnding() {
    char bytes[64 << 10];
    const ssize_t size = TEMP_FAILURE_RETRY(read(frames_, bytes, sizeof bytes));
    if (size <= 0) std::abort();
    FrameReader reader(kMaxFrameFromSandbox);
    reader.Add({bytes, static_cast<size_t>(size)});
    Frame frame;
    // Scripts have nothing to send but their end.
    if (reader.Next(frame) != FrameReader::Result::kFrame) std::abort();
    const auto* done = std::get_if<Done>(&frame);
    if (done == nullptr) std::abort();
    if (done->ending != Ending::kError) return;
    std::fprintf(stderr, "%s\n", std::string(done->data).c_str());
    std::abort();
  }

  int frames_ = -1;
  Channel channel_;
  Interpreter interpreter_{&channel_};
  Worker worker_{&channel_, &interpreter_};
  std::unique_ptr<CompiledScript> script_;
};

}  // namespace
}  // namespace errand::sandbox

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static errand::sandbox::Fuzzed fuzzed;
  fuzzed.Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
