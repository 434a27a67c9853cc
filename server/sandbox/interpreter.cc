#include "server/sandbox/interpreter.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "server/sandbox/json.h"
#include "server/sandbox/libraries.h"
#include "server/sandbox/utf8.h"

namespace errand::sandbox {
namespace {

constexpr char kChunkName[] = "=script";  // In messages: "script:3: ...".
constexpr int kMaxClosingDepth = 50;
constexpr char kCannotSleep[] =
    "task.sleep cannot be used in a function that C code calls (string.gsub, table.sort, ...)";

// What compiling may take; a source text is at most 1 MiB.
constexpr size_t kCompileMemoryBytes = 256 << 20;

int64_t ProcessCpuNanos() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

std::string_view ToView(lua_State* thread, int index) {
  size_t size;
  const char* data = lua_tolstring(thread, index, &size);
  return data == nullptr ? std::string_view() : std::string_view(data, size);
}

// Replaces the error object on the top by text. May run the script's __tostring.
int RenderError(lua_State* thread) {
  PushErrorText(thread, 1);
  return 1;
}

}  // namespace

Interpreter::Interpreter(Channel& channel)
    : channel_(channel),
      memory_([](void* self) { static_cast<Interpreter*>(self)->Abandon(Ending::kMemoryExceeded); }, this),
      state_(lua_newstate(&Memory::Allocate, &memory_)) {
  // New threads get a copy of this.
  *static_cast<Interpreter**>(lua_getextraspace(state_)) = this;
  OpenLibraries(state_);
}

Interpreter::~Interpreter() {
  memory_.set_running(nullptr);
  lua_close(state_);
}

Interpreter& Interpreter::Of(lua_State* thread) {
  return **static_cast<Interpreter**>(lua_getextraspace(thread));
}

void Interpreter::Execute(const Run& run) {
  cpu_at_start_ = ProcessCpuNanos();
  output_limit_ = run.output_bytes;
  memory_.set_limit(run.memory_bytes);
  script_ = lua_newthread(state_);
  PrepareTask(run);
  memory_.set_running(script_);
  if (luaL_loadbufferx(script_, run.source.data(), run.source.size(), kChunkName, "t") != LUA_OK) {
    const std::string problem = CleanUtf8(ToView(script_, -1), kMaxErrorBytes);
    SendDone({.ending = Ending::kSyntaxError, .permanent = true, .data = problem});
    return;
  }
  int results;
  if (RunScript(results) == LUA_OK) {
    SendResult(results);
  } else {
    SendError();
  }
}

void Interpreter::Compile(const Check& check) {
  memory_.set_limit(kCompileMemoryBytes);
  if (luaL_loadbufferx(state_, check.source.data(), check.source.size(), kChunkName, "t") == LUA_OK) {
    channel_.Send(Checked{.compiles = true, .problem = ""});
    return;
  }
  const std::string problem = CleanUtf8(ToView(state_, -1), kMaxErrorBytes);
  channel_.Send(Checked{.compiles = false, .problem = problem});
}

void Interpreter::PrepareTask(const Run& run) {
  lua_getglobal(state_, "task");
  lua_pushlstring(state_, run.payload.data(), run.payload.size());
  lua_setfield(state_, -2, "payload");
  lua_pushlstring(state_, run.name.data(), run.name.size());
  lua_setfield(state_, -2, "name");
  lua_pushinteger(state_, run.attempt);
  lua_setfield(state_, -2, "attempt");
  lua_pop(state_, 1);
}

int Interpreter::RunScript(int& results) {
  for (;;) {
    bool sleeps;
    const int status = Resume(state_, script_, 0, results, sleeps);
    if (!sleeps) return status;
    channel_.Sleep(sleep_nanos_);
  }
}

void Interpreter::SendResult(int results) {
  if (results == 0) lua_pushnil(script_);
  // Of several values the first one counts.
  lua_pop(script_, std::max(results - 1, 0));
  memory_.set_running(nullptr);
  switch (lua_type(script_, -1)) {
    case LUA_TNIL:
      SendDone({});
      return;
    case LUA_TSTRING: {
      const std::string_view text = ToView(script_, -1);
      ChargeOutput(text.size());
      SendDone({.content = IsUtf8(text) ? Content::kText : Content::kBytes, .data = text});
      return;
    }
    default:
      break;
  }
  std::string problem;
  if (!PushJson(script_, -1, problem)) {
    problem = CleanUtf8("the result cannot be expressed as JSON: " + problem, kMaxErrorBytes);
    SendDone({.ending = Ending::kResultInvalid, .data = problem});
    return;
  }
  const std::string_view json = ToView(script_, -1);
  ChargeOutput(json.size());
  SendDone({.content = Content::kJson, .data = json});
}

void Interpreter::SendError() {
  lua_pushcfunction(state_, RenderError);
  lua_xmove(script_, state_, 1);
  bool permanent = false;
  const bool deliberate = IsFailure(state_, -1, permanent);
  memory_.set_running(state_);
  lua_pcall(state_, 1, 1, 0);  // An error of __tostring takes the place of its text.
  std::string message = CleanUtf8(
      lua_isstring(state_, -1) ? ToView(state_, -1) : "(error object without text)", kMaxErrorBytes);
  if (!deliberate) {
    luaL_traceback(state_, script_, nullptr, 0);
    message = CleanUtf8(message + "\n" + std::string(ToView(state_, -1)), kMaxErrorBytes);
  }
  // Unlike a return, an error has left open what the script wanted closed.
  Close(state_, script_);
  SendDone({.ending = Ending::kError, .permanent = permanent, .data = message});
}

void Interpreter::SendDone(Done done) {
  done.cpu_nanos = static_cast<uint64_t>(CpuNanos());
  done.peak_memory_bytes = memory_.peak();
  done.output_bytes = output_bytes_;
  channel_.Send(done);
}

void Interpreter::ChargeOutput(size_t bytes) {
  if (bytes > output_limit_ - output_bytes_) Abandon(Ending::kOutputExceeded);
  output_bytes_ += bytes;
}

int64_t Interpreter::CpuNanos() const { return ProcessCpuNanos() - cpu_at_start_; }

void Interpreter::Abandon(Ending ending) {
  // Not an error in Lua, which pcall would catch. The state is in the middle of something and cannot be
  // closed, so the process goes with it.
  SendDone({.ending = ending, .data = ""});
  _exit(0);
}

int Interpreter::Sleep(lua_State* thread, int64_t nanos) {
  if (closing_depth_ > 0) return luaL_error(thread, "task.sleep cannot be used while a coroutine is closed");
  if (!lua_isyieldable(thread)) return luaL_error(thread, "%s", kCannotSleep);
  sleep_nanos_ = nanos;
  sleeping_ = true;
  return lua_yieldk(thread, 0, 0, &Interpreter::AfterSleep);
}

int Interpreter::AfterSleep(lua_State* thread, int, lua_KContext) {
  Interpreter& self = Of(thread);
  if (!self.sleep_refused_) return 0;
  self.sleep_refused_ = false;
  return luaL_error(thread, "%s", kCannotSleep);
}

int Interpreter::Resume(lua_State* from, lua_State* coroutine, int arguments, int& results, bool& sleeps) {
  for (;;) {
    memory_.set_running(coroutine);
    const int status = lua_resume(coroutine, from, arguments, &results);
    memory_.set_running(from);
    sleeps = status == LUA_YIELD && sleeping_;
    if (!sleeps) return status;
    lua_pop(coroutine, results);
    if (from != state_ && lua_isyieldable(from)) return status;  // Which yields next, with the same wish.
    sleeping_ = false;
    if (from == state_) return status;
    sleep_refused_ = true;
    arguments = 0;
  }
}

int Interpreter::Close(lua_State* from, lua_State* coroutine) {
  if (closing_depth_ >= kMaxClosingDepth) return luaL_error(from, "coroutines closed too deeply");
  ++closing_depth_;
  lua_State* const outer = closing_;
  closing_ = coroutine;
  memory_.set_running(coroutine);
  const int status = lua_resetthread(coroutine);
  memory_.set_running(from);
  closing_ = outer;
  --closing_depth_;
  return status;
}

}  // namespace errand::sandbox
