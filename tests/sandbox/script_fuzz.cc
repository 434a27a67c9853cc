// What scripts can do with text that comes from strangers: a libFuzzer entry for one script, the file
// FUZZED_SCRIPT, which gets the input as its payload.
//
// The run ends as any other does, within its memory and CPU time: a finding is a crash, or what a sanitizer
// sees, or an input that takes long (-timeout=1): scripts loop when they see what must not be.

#include <fcntl.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

#include "server/sandbox/channel.h"
#include "server/sandbox/interpreter.h"
#include "server/sandbox/worker.h"

namespace errand::sandbox {
namespace {

class Fuzzed {
 public:
  Fuzzed() {
    channel_.set_fd(open("/dev/null", O_WRONLY));
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
    run.output_bytes = 1 << 20;
    run.cpu_nanos = 2'000'000'000;
    run.payload = payload.substr(0, task::kMaxPayloadBytes);
    interpreter_.StartClock();
    interpreter_.Execute(run, script_.get());
  }

 private:
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
