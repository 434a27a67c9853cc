#include "server/sandbox/interpreter.h"

#include <poll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "server/sandbox/interrupts.h"
#include "server/sandbox/json.h"
#include "server/sandbox/libraries.h"
#include "server/sandbox/syntax_error.h"
#include "server/sandbox/utf8.h"
#include "server/task/limits.h"

namespace errand::sandbox {
namespace {

constexpr char kAnonymous[] = "script";  // In messages of scripts without a name: "script:3: ...".
// Of the C stack, as a rule 8 MiB: what is left is enough for the nested calls that Lua counts itself.
constexpr ptrdiff_t kMaxStackBytes = 3 << 20;
constexpr int64_t kNanosPerSecond = 1'000'000'000;

// What the stack of `state` holds, at the bottom, in every image.
constexpr int kTaskIndex = 1;
constexpr int kRandomSeedIndex = 2;
// And then the script.

// What compiling may take; a source text is at most 1 MiB.
constexpr size_t kCompileMemoryBytes = 256 << 20;
// Addresses only: memory is used when it is touched.
constexpr size_t kRegionBytes = task::kMaxMemoryBytes + task::kMaxMemoryBytes / 2 + (64 << 20);
// What a run leaves mapped for the next.
constexpr size_t kKeptBytes = 4 << 20;

int64_t NanosOf(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * kNanosPerSecond + now.tv_nsec;
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

void* MapRegion() {
  void* region =
      mmap(nullptr, kRegionBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) _exit(4);
  return region;
}

}  // namespace

Interpreter::Interpreter(Channel* channel)
    : channel_(channel),
      heap_(Heap::Create(MapRegion(), kRegionBytes)),
      run_(new (heap_->Allocate(sizeof(RunState))) RunState),
      memory_(heap_, &run_->memory) {
  lua_State* const state = lua_newstate(&Memory::Allocate, &memory_);
  // New threads get a copy of this.
  *static_cast<Interpreter**>(lua_getextraspace(state)) = this;
  OpenLibraries(state);
  lua_getglobal(state, "task");
  lua_getglobal(state, "math");
  lua_getfield(state, -1, "randomseed");
  lua_remove(state, -2);
  run_->state = state;
  run_->script = lua_newthread(state);
  lua_gc(state, LUA_GCCOLLECT);
  image_ = std::make_unique<const Image>(*heap_);
}

Interpreter& Interpreter::Of(lua_State* thread) {
  return **static_cast<Interpreter**>(lua_getextraspace(thread));
}

// --- a turn: what a run does between two batches, or until it is over ---

int64_t Interpreter::ProcessCpuNanos() { return NanosOf(CLOCK_PROCESS_CPUTIME_ID); }

int64_t Interpreter::CpuNanos() const { return run_->cpu_before + ProcessCpuNanos() - turn_start_; }

void Interpreter::Begin(const Image& image) {
  started_from_ = &image;
  stopped_ = false;
  current_ = run_->attempt;
}

void Interpreter::Execute(const Run& run, const CompiledScript* script) {
  const Image* image = script == nullptr ? image_.get() : script->image();
  if (image == nullptr) {
    channel_->Send(Done{.attempt = run.attempt,
                        .ending = Ending::kSyntaxError,
                        .permanent = true,
                        .data = script->problem()});
    return;
  }
  image->Restore(*heap_);
  run_->attempt = run.attempt;
  Begin(*image);
  Start start{this, &run, script != nullptr};
  End(interrupts::Guard(&Interpreter::RunGuarded, &start));
}

void Interpreter::Continue(const Resume& resume, const CompiledScript* script) {
  const Image* image = script == nullptr ? image_.get() : script->image();
  const bool applied = image != nullptr && image->Apply(resume.difference, *heap_);
  memory_.OnRestored();
  if (!applied || run_->attempt != resume.attempt) {
    channel_->Send(Done{.attempt = resume.attempt, .ending = Ending::kBroken});
    return;
  }
  answer_ok_ = resume.answered && resume.ok;
  answer_ = resume.answered ? resume.answer : "the server did not answer";
  Begin(*image);
  Start start{this, nullptr, true};
  End(interrupts::Guard(&Interpreter::RunGuarded, &start));
}

void Interpreter::RunGuarded(void* start) {
  const auto& [self, run, compiled] = *static_cast<const Start*>(start);
  const char here = 0;
  self->stack_base_ = &here;
  if (self->stopped_) interrupts::Abandon(Ending::kStopped);
  if (run != nullptr && !self->Prepare(*run, compiled)) return;
  self->Course();
}

void Interpreter::End(Ending why) {
  if (why != Ending::kOk) SendDone({.ending = why});
  current_ = 0;
  memory_.Trim(started_from_->size() + kKeptBytes);
}

bool Interpreter::Stop(uint64_t attempt) {
  if (attempt != current_) return false;
  stopped_ = true;
  interrupts::Abandon(Ending::kStopped);
  return true;
}

void Interpreter::GiveWay(uint64_t attempt) {
  if (attempt == current_) interrupts::WishToGiveWay(&Interpreter::YieldToOthers);
}

void Interpreter::CheckCpuTime() {
  if (current_ != 0 && CpuNanos() > run_->cpu_limit) interrupts::Abandon(Ending::kCpuExceeded);
}

bool Interpreter::Prepare(const Run& run, bool compiled) {
  memory_.SetLimit(run.memory_bytes);
  run_->output_limit = run.output_bytes;
  run_->cpu_limit = static_cast<int64_t>(std::min<uint64_t>(run.cpu_nanos, INT64_MAX));
  lua_State* const state = run_->state;
  lua_pushvalue(state, kRandomSeedIndex);
  lua_pushinteger(state, static_cast<lua_Integer>(run.seed));
  lua_call(state, 1, 0);
  lua_pushlstring(state, run.payload.data(), run.payload.size());
  lua_setfield(state, kTaskIndex, "payload");
  lua_pushlstring(state, run.name.data(), run.name.size());
  lua_setfield(state, kTaskIndex, "name");
  lua_pushinteger(state, run.number);
  lua_setfield(state, kTaskIndex, "attempt");
  lua_pushnumber(state, run.deadline);
  lua_setfield(state, kTaskIndex, "deadline");
  if (compiled || Load(run_->script, run.chunk_name, run.source)) return true;
  const interrupts::HostSection section;
  const std::string problem = CleanUtf8(ToView(run_->script, -1), kMaxErrorBytes);
  interrupts::Decide();
  SendDone({.ending = Ending::kSyntaxError, .permanent = true, .data = problem});
  return false;
}

void Interpreter::Course() {
  for (;;) {
    int results;
    bool leaves;
    const int status = ResumeCoroutine(run_->state, run_->script, 0, results, leaves);
    if (leaves) {
      if (Leave()) return;
    } else if (status == LUA_OK) {
      SendResult(results);
      return;
    } else {
      SendError();
      return;
    }
  }
}

// Parks the run. False when it goes on here: it is too large to be parked, and has waited.
bool Interpreter::Leave() {
  const Wish wish = run_->wish;
  const int64_t wake = NanosOf(CLOCK_MONOTONIC) + run_->sleep_nanos;
  {
    const interrupts::HostSection section;
    run_->wish = Wish::kNone;
    const int64_t now = ProcessCpuNanos();
    run_->cpu_before += now - turn_start_;
    turn_start_ = now;
    Call call{.attempt = run_->attempt, .arguments = {}};
    std::string arguments;
    if (wish == Wish::kCall) {
      call.function = run_->function;
      arguments = ToView(run_->state, -1);
      call.arguments = arguments;
      lua_pop(run_->state, 1);
    }
    difference_.clear();
    const bool parks = started_from_->AppendDifference(*heap_, kMaxDifferenceBytes, difference_);
    if (interrupts::pending() == Ending::kOk) {
      if (wish == Wish::kCall) {
        call.parks = parks;
        channel_->Send(call);
      }
      if (parks) {
        interrupts::Decide();
        Parked parked{.attempt = run_->attempt, .difference = difference_};
        parked.cpu_nanos = static_cast<uint64_t>(run_->cpu_before);
        parked.why = wish == Wish::kSleep ? Why::kSleeps : wish == Wish::kCall ? Why::kCalls : Why::kGivesWay;
        if (wish == Wish::kSleep) parked.wake_nanos = static_cast<uint64_t>(wake);
        channel_->Send(parked);
        return true;
      }
      if (wish != Wish::kGiveWay) {
        channel_->ReturnRest();
        channel_->Send(Waits{run_->attempt});
        channel_->Flush();
      }
      if (wish == Wish::kCall) {
        const Answer answer = channel_->ReadAnswer();
        answer_ok_ = answer.ok;
        answer_ = answer.answer;
      }
    }
  }
  interrupts::CheckPoint();
  if (wish == Wish::kSleep) WaitHere(channel_->fd(), wake);
  return false;
}

void Interpreter::WaitHere(int fd, int64_t wake) {
  for (;;) {
    const int64_t left = wake - NanosOf(CLOCK_MONOTONIC);
    if (left <= 0) return;
    const timespec timeout = {left / kNanosPerSecond, left % kNanosPerSecond};
    pollfd server = {fd, POLLIN, 0};
    // Nothing is sent to a run that sleeps: whatever comes means that the server has gone.
    if (ppoll(&server, 1, &timeout, nullptr) > 0) _exit(0);
  }
}

void Interpreter::SendResult(int results) {
  lua_State* const script = run_->script;
  if (results == 0) lua_pushnil(script);
  // Of several values the first one counts.
  lua_pop(script, std::max(results - 1, 0));
  const interrupts::HostSection section;
  interrupts::SetRunning(nullptr);
  Done done;
  std::string problem;
  switch (lua_type(script, -1)) {
    case LUA_TNIL:
      break;
    case LUA_TSTRING:
      done.data = ToView(script, -1);
      done.content = IsUtf8(done.data) ? Content::kText : Content::kBytes;
      break;
    default:
      if (PushJson(script, -1, problem)) {
        done.data = ToView(script, -1);
        done.content = Content::kJson;
      } else {
        problem = CleanUtf8("the result cannot be expressed as JSON: " + problem, kMaxErrorBytes);
        done.data = problem;
        done.ending = Ending::kResultInvalid;
      }
  }
  if (done.ending == Ending::kOk) ChargeOutput(done.data.size());
  if (interrupts::pending() != Ending::kOk) done = {.ending = interrupts::pending()};
  interrupts::Decide();
  SendDone(done);
}

void Interpreter::SendError() {
  lua_State* const state = run_->state;
  lua_State* const script = run_->script;
  lua_pushcfunction(state, RenderError);
  lua_xmove(script, state, 1);
  bool permanent = false;
  const bool deliberate = IsFailure(state, -1, permanent);
  interrupts::SetRunning(state);
  lua_pcall(state, 1, 1, 0);  // An error of __tostring takes the place of its text.
  if (!lua_isstring(state, -1)) {
    lua_pushliteral(state, "(error object without text)");
  }
  lua_pushliteral(state, "\n");
  if (deliberate) {
    lua_pop(state, 1);
  } else {
    luaL_traceback(state, script, nullptr, 0);
    lua_concat(state, 3);
  }
  // Unlike a return, an error has left open what the script wanted closed.
  CloseCoroutine(state, script);
  const interrupts::HostSection section;
  interrupts::SetRunning(nullptr);
  const std::string message = CleanUtf8(ToView(state, -1), kMaxErrorBytes);
  Done done{.ending = Ending::kError, .permanent = permanent, .data = message};
  if (interrupts::pending() != Ending::kOk) done = {.ending = interrupts::pending()};
  interrupts::Decide();
  SendDone(done);
}

void Interpreter::SendDone(Done done) {
  done.attempt = run_->attempt;
  // Asking for it is a system call: once a turn.
  const int64_t now = ProcessCpuNanos();
  done.cpu_nanos = static_cast<uint64_t>(run_->cpu_before + now - turn_start_);
  turn_start_ = now;
  done.peak_memory_bytes = memory_.peak();
  done.output_bytes = run_->output_bytes;
  channel_->Send(done);
}

// --- compiling ---

bool Interpreter::Load(lua_State* thread, std::string_view chunk_name, std::string_view source) {
  // "=": it is a name, not the source itself. In the heap, as the run may be abandoned meanwhile.
  lua_pushliteral(thread, "=");
  if (chunk_name.empty()) {
    lua_pushstring(thread, kAnonymous);
  } else {
    lua_pushlstring(thread, chunk_name.data(), chunk_name.size());
  }
  lua_concat(thread, 2);
  const int status = luaL_loadbufferx(thread, source.data(), source.size(), lua_tostring(thread, -1), "t");
  lua_remove(thread, -2);
  return status == LUA_OK;
}

struct Interpreter::Compilation {
  Interpreter* self;
  std::string_view chunk_name;
  std::string_view source;
  bool compiles = false;

  static void Run(void* compilation) {
    auto& [self, chunk_name, source, compiles] = *static_cast<Compilation*>(compilation);
    self->memory_.SetLimit(kCompileMemoryBytes);
    compiles = self->Load(self->run_->script, chunk_name, source);
    if (compiles) lua_gc(self->run_->state, LUA_GCCOLLECT);
  }
};

bool Interpreter::CompileFresh(std::string_view chunk_name, std::string_view source, std::string& problem) {
  image_->Restore(*heap_);
  // All workers are to come to the same image.
  memory_.Clear();
  Compilation compilation{this, chunk_name, source};
  const Ending ending = interrupts::Guard(&Compilation::Run, &compilation);
  memory_.Trim(image_->size() + kKeptBytes);
  if (ending != Ending::kOk) {
    problem = "compiling it takes more than " + std::to_string(kCompileMemoryBytes >> 20) + " MiB of memory";
    return false;
  }
  if (!compilation.compiles) problem = CleanUtf8(ToView(run_->script, -1), kMaxErrorBytes);
  return compilation.compiles;
}

std::unique_ptr<CompiledScript> Interpreter::Compile(const Script& script) {
  auto compiled = std::make_unique<CompiledScript>();
  if (CompileFresh(script.chunk_name, script.source, compiled->problem_)) {
    compiled->image_ = std::make_unique<const Image>(*heap_);
  }
  turn_start_ = ProcessCpuNanos();
  return compiled;
}

size_t Interpreter::Consumed(std::string_view source) {
  struct Reader {
    std::string_view source;
    size_t consumed = 0;

    static const char* Next(lua_State*, void* reader, size_t* size) {
      auto& [source, consumed] = *static_cast<Reader*>(reader);
      *size = consumed < source.size() ? 1 : 0;
      return *size == 0 ? nullptr : &source[consumed++];
    }
    struct Context {
      Reader* reader;
      lua_State* thread;
    };
    static void Load(void* context) {
      auto& [reader, thread] = *static_cast<Context*>(context);
      lua_load(thread, &Reader::Next, reader, kAnonymous, "t");
    }
  };
  image_->Restore(*heap_);
  Reader reader{source};
  Reader::Context context{&reader, run_->script};
  interrupts::Guard(&Reader::Load, &context);
  // The last byte is the one behind what the error is near.
  return reader.consumed == source.size() ? reader.consumed : reader.consumed - 1;
}

Checked Interpreter::Check(std::string_view source) {
  Checked checked;
  checked.compiles = CompileFresh(kAnonymous, source, problem_);
  if (!checked.compiles) {
    checked.problem = problem_;
    const SourcePosition position = LocateSyntaxError(problem_, kAnonymous, source, Consumed(source));
    checked.line = position.line;
    checked.column = position.column;
  }
  turn_start_ = ProcessCpuNanos();
  return checked;
}

// --- for the libraries ---

void Interpreter::ChargeOutput(size_t bytes) {
  if (bytes > run_->output_limit - run_->output_bytes) {
    interrupts::Abandon(Ending::kOutputExceeded);
    run_->output_bytes = run_->output_limit;  // In a HostSection.
    return;
  }
  run_->output_bytes += bytes;
}

void Interpreter::CheckCanLeave(lua_State* thread, Wish wish) {
  if (run_->closing_depth > 0) {
    luaL_error(thread, "%s cannot be used while a coroutine is closed", NameOf(wish));
  }
  if (!lua_isyieldable(thread)) RaiseRefused(thread, wish);
}

void Interpreter::CheckNotRefused(lua_State* thread) {
  if (run_->refused == Wish::kNone) return;
  RaiseRefused(thread, std::exchange(run_->refused, Wish::kNone));
}

void Interpreter::RaiseRefused(lua_State* thread, Wish wish) {
  luaL_error(thread, "%s cannot be used in a function that C code calls (string.gsub, table.sort, ...)",
             NameOf(wish));
}

const char* Interpreter::NameOf(Wish wish) {
  return wish == Wish::kSleep ? "task.sleep" : "a call that waits for the server";
}

int Interpreter::Sleep(lua_State* thread, int64_t nanos) {
  CheckCanLeave(thread, Wish::kSleep);
  run_->sleep_nanos = nanos;
  run_->wish = Wish::kSleep;
  return lua_yieldk(thread, 0, 0, &Interpreter::AfterSleep);
}

int Interpreter::AfterSleep(lua_State* thread, int, lua_KContext) {
  Of(thread).CheckNotRefused(thread);
  return 0;
}

int Interpreter::CallServer(lua_State* thread, Function function, lua_KFunction finish) {
  CheckCanLeave(thread, Wish::kCall);
  // Where a run that is parked does not keep it.
  lua_xmove(thread, run_->state, 1);
  run_->function = function;
  run_->finish_call = finish;
  run_->wish = Wish::kCall;
  return lua_yieldk(thread, 0, 0, &Interpreter::AfterCall);
}

int Interpreter::AfterCall(lua_State* thread, int status, lua_KContext context) {
  Interpreter& self = Of(thread);
  self.CheckNotRefused(thread);
  lua_pushlstring(thread, self.answer_.data(), self.answer_.size());
  if (!self.answer_ok_) return luaL_error(thread, "%s", lua_tostring(thread, -1));
  return self.run_->finish_call(thread, status, context);
}

Answer Interpreter::CallServerAtOnce(Function function, std::string_view arguments) {
  channel_->ReturnRest();
  channel_->Send(Call{run_->attempt, false, function, arguments});
  return channel_->ReadAnswer();
}

// From the hook (interrupts.h).
void Interpreter::YieldToOthers(lua_State* thread) {
  RunState& run = *Of(thread).run_;
  if (run.closing_depth > 0 || run.wish != Wish::kNone) return;
  run.wish = Wish::kGiveWay;
  lua_yield(thread, 0);
}

int Interpreter::ResumeCoroutine(lua_State* from, lua_State* coroutine, int arguments, int& results,
                                 bool& leaves) {
  for (;;) {
    interrupts::SetRunning(coroutine);
    const int status = lua_resume(coroutine, from, arguments, &results);
    interrupts::SetRunning(from);
    leaves = status == LUA_YIELD && run_->wish != Wish::kNone;
    if (!leaves) return status;
    lua_pop(coroutine, results);
    // Which yields next, with the same wish; or all have.
    if (from == run_->state || lua_isyieldable(from)) return status;
    if (run_->wish == Wish::kCall) lua_pop(run_->state, 1);
    if (run_->wish != Wish::kGiveWay) run_->refused = run_->wish;
    run_->wish = Wish::kNone;
    arguments = 0;
  }
}

int Interpreter::CloseCoroutine(lua_State* from, lua_State* coroutine) {
  // Lua counts nested calls from zero again in a coroutine that it closes.
  const char here = 0;
  if (stack_base_ - &here > kMaxStackBytes) return luaL_error(from, "C stack overflow");
  ++run_->closing_depth;
  lua_State* const outer = run_->closing;
  run_->closing = coroutine;
  interrupts::SetRunning(coroutine);
  const int status = lua_resetthread(coroutine);
  interrupts::SetRunning(from);
  run_->closing = outer;
  --run_->closing_depth;
  return status;
}

}  // namespace errand::sandbox
