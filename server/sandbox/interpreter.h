#ifndef ERRAND_SERVER_SANDBOX_INTERPRETER_H_
#define ERRAND_SERVER_SANDBOX_INTERPRETER_H_

#include <cstdint>
#include <lua.hpp>
#include <string>
#include <string_view>

#include "server/sandbox/channel.h"
#include "server/sandbox/memory.h"
#include "server/sandbox/wire.h"

namespace errand::sandbox {

// A fresh Lua state with the libraries that scripts may use, for one script.
//
//   state_ (never runs script code but to render an error)
//     `- script_ (the coroutine that the script runs in)
//          `- the script's own coroutines
//
// task.sleep yields from whichever coroutine runs, through all its resumers (coroutine_library.cc), out of
// script_ to Run: whoever holds the state there could as well park it.
class Interpreter {
 public:
  // `channel` is borrowed.
  explicit Interpreter(Channel& channel);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // Runs a script and sends its events and Done. Does not return when the script exceeds its memory or its
  // output. Once.
  void Execute(const Run& run);

  // Compiles a script and sends Checked. Once.
  void Compile(const Check& check);

  // The rest is for the libraries.

  static Interpreter& Of(lua_State* thread);

  Channel& channel() { return channel_; }
  Memory& memory() { return memory_; }

  // Counts bytes of result, output or log lines. Does not return when that makes too many.
  void ChargeOutput(size_t bytes);

  int64_t CpuNanos() const;

  // True of the thread that the script's main chunk runs in, which must not yield on the script's behalf.
  bool IsScript(const lua_State* thread) const { return thread == script_; }

  // Makes `thread` sleep: to be returned from a C function of its. Raises an error where it cannot yield.
  int Sleep(lua_State* thread, int64_t nanos);

  // lua_resume, and says in `sleeps` that the coroutine did not yield itself but a sleep wants through. If
  // `from` cannot yield, task.sleep has raised an error in the coroutine instead.
  int Resume(lua_State* from, lua_State* coroutine, int arguments, int& results, bool& sleeps);

  // lua_resetthread: runs what is to be closed in a coroutine. Raises an error in `from` when nested too
  // deeply, which Lua 5.4.4 does not notice before its C stack is used up.
  int Close(lua_State* from, lua_State* coroutine);

  // A coroutine that is being closed must not yield.
  bool IsClosing(const lua_State* thread) const { return thread == closing_; }

 private:
  static int AfterSleep(lua_State* thread, int status, lua_KContext);
  [[noreturn]] void Abandon(Ending ending);

  void PrepareTask(const Run& run);
  int RunScript(int& results);
  void SendResult(int results);
  void SendError();
  void SendDone(Done done);

  Channel& channel_;
  Memory memory_;
  lua_State* const state_;
  lua_State* script_ = nullptr;
  int64_t cpu_at_start_ = 0;
  uint64_t output_limit_ = 0;
  uint64_t output_bytes_ = 0;
  int64_t sleep_nanos_ = 0;
  bool sleeping_ = false;
  bool sleep_refused_ = false;
  lua_State* closing_ = nullptr;
  int closing_depth_ = 0;
};

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_INTERPRETER_H_
