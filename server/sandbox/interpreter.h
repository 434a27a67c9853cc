#ifndef ERRAND_SERVER_SANDBOX_INTERPRETER_H_
#define ERRAND_SERVER_SANDBOX_INTERPRETER_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <lua.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "server/sandbox/channel.h"
#include "server/sandbox/compiler.h"
#include "server/sandbox/cpu_clock.h"
#include "server/sandbox/heap.h"
#include "server/sandbox/image.h"
#include "server/sandbox/memory.h"
#include "server/sandbox/wire.h"

namespace errand::sandbox {

// Runs scripts, one at a time, each in a Lua state of its own that is restored from an image.
//
//   state (never runs script code but to render an error)
//     `- script (the coroutine that the script runs in)
//          `- the script's own coroutines
//
// What waits (task.sleep, a call of the server) and what gives way to others yields from whichever coroutine
// runs, through all its resumers (coroutine_library.cc), out of `script`. Nothing of the run is then on the C
// stack, and its heap, said as the difference from the image, can go on in any process that was forked by the
// same one.
//
// There is one Interpreter in a process: the heap holds pointers to it.
class Interpreter {
 public:
  // Makes the image that all runs start from. `channel` is borrowed.
  explicit Interpreter(Channel* channel);

  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // Runs a script, from its image if `script` is not null, and sends its events, and Done or Parked.
  void Execute(const Run& run, const CompiledScript* script);

  // The same, for a run that was parked.
  void Continue(const Resume& resume, const CompiledScript* script);

  std::unique_ptr<CompiledScript> Compile(const Script& script);

  // Says whether a source compiles. What the answer views is valid until the next call.
  Checked Check(std::string_view source);

  // CPU time from now on counts for the next run.
  void StartClock();

  // From a signal handler.

  // Ends the run, if `attempt` is what runs. False when it is not.
  bool Stop(uint64_t attempt);
  // Lets the run be parked soon, if it can be and `attempt` is what runs.
  void GiveWay(uint64_t attempt);
  // Ends the run when it has used more CPU time than it may, this turn and before. By how much, in
  // nanoseconds; 0 if it has not.
  int64_t CheckCpuTime();
  bool IsRunning() const { return current_ != 0; }

  // The rest is for the libraries.

  static Interpreter& Of(lua_State* thread);

  Channel& channel() { return *channel_; }
  Memory& memory() { return memory_; }
  uint64_t attempt() const { return run_->attempt; }

  // Counts bytes of result, output or log lines. Abandons the run when that makes too many (interrupts.h).
  void ChargeOutput(size_t bytes);

  // CPU time of the run so far.
  int64_t CpuNanos();

  // True of the thread that the script's main chunk runs in, which must not yield on the script's behalf.
  bool IsScript(const lua_State* thread) const { return thread == run_->script; }

  // Makes `thread` sleep: to be returned from a C function of its. Raises an error where it cannot yield.
  int Sleep(lua_State* thread, int64_t nanos);

  // Calls the server with the string on the top of the stack, and waits for its answer: to be returned from a
  // C function of its. `finish` is called with the answer on the top, or an error is raised. Raises an error
  // where it cannot yield.
  int CallServer(lua_State* thread, Function function, lua_KFunction finish);

  // The same where the server answers at once; the run keeps its process meanwhile. In a HostSection.
  Answer CallServerAtOnce(Function function, std::string_view arguments);

  // lua_resume, and says in `leaves` that the coroutine did not yield itself but something wants out of the
  // script. If `from` cannot yield, the coroutine goes on: what it wanted raises an error in it.
  int ResumeCoroutine(lua_State* from, lua_State* coroutine, int arguments, int& results, bool& leaves);

  // lua_resetthread: runs what is to be closed in a coroutine. Raises an error in `from` when nested too
  // deeply, which Lua 5.4.4 does not notice before its C stack is used up.
  int CloseCoroutine(lua_State* from, lua_State* coroutine);

  // A coroutine that is being closed must not yield.
  bool IsClosing(const lua_State* thread) const { return thread == run_->closing; }

 private:
  enum class Wish : uint8_t { kNone, kSleep, kCall, kGiveWay };

  // What belongs to a run besides its Lua state. Lies in the heap, to be parked and restored with it.
  struct RunState {
    Memory::State memory;
    lua_State* state = nullptr;
    lua_State* script = nullptr;
    lua_State* closing = nullptr;
    int32_t closing_depth = 0;
    Wish wish = Wish::kNone;
    Wish refused = Wish::kNone;  // What was wished and could not be.
    uint64_t attempt = 0;
    uint64_t output_limit = 0;
    uint64_t output_bytes = 0;
    int64_t cpu_limit = std::numeric_limits<int64_t>::max();  // A tick may come before it is set.
    int64_t cpu_before = 0;                                   // In earlier turns.
    int64_t sleep_nanos = 0;
    Function function{};                  // To be called, with the string on the top of `state`,
    lua_KFunction finish_call = nullptr;  // and what makes results of the answer.
  };

  struct Start {
    Interpreter* self;
    const Run* run;  // Null when a parked run goes on.
    bool compiled;   // The image holds the script.
  };

  static int AfterSleep(lua_State* thread, int status, lua_KContext context);
  static int AfterCall(lua_State* thread, int status, lua_KContext context);
  static void YieldToOthers(lua_State* thread);
  // These raise errors.
  void CheckCanLeave(lua_State* thread, Wish wish);
  void CheckNotRefused(lua_State* thread);
  static void RaiseRefused(lua_State* thread, Wish wish);
  static const char* NameOf(Wish wish);

  void Begin(const Image& image);
  void End(Ending why);
  static void RunGuarded(void* start);
  bool Prepare(const Run& run, bool compiled);
  void Course();
  bool Leave();
  bool FitsIntoDifference();
  static void AwaitServer(int fd);
  void SendResult(int results);
  void SendError();
  void SendDone(Done done);

  Channel* const channel_;
  Heap* const heap_;
  RunState* const run_;
  Memory memory_;
  std::unique_ptr<const Image> image_;
  std::unique_ptr<Compiler> compiler_;
  CpuClock clock_;

  // The turn that runs now.
  const Image* started_from_ = nullptr;
  int64_t turn_start_ = 0;         // By the clock.
  volatile uint64_t current_ = 0;  // The attempt; 0 when none runs. For the signal handlers.
  volatile bool stopped_ = false;
  unsigned batch_ = 0;                // The one that the last turn came with.
  const char* stack_base_ = nullptr;  // Of the C stack, where the run began.
  bool answer_ok_ = false;
  std::string_view answer_;
  size_t too_large_ = std::numeric_limits<size_t>::max();  // What did not fit into a difference, this turn.
  std::string difference_;
};

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_INTERPRETER_H_
