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
#include "server/sandbox/utf8.h"
#include "server/task/limits.h"

namespace errand::sandbox {
namespace {

// Of the C stack, as a rule 8 MiB: what is left is enough for the nested calls that Lua counts itself.
constexpr ptrdiff_t kMaxStackBytes = 3 << 20;
constexpr int64_t kNanosPerSecond = 1'000'000'000;

// What the stack of `state` holds, at the bottom, in every image.
constexpr int kTaskIndex = 1;
constexpr int kRandomSeedIndex = 2;

// Fields of `task`.
constexpr char kPayload[] = "payload";
constexpr char kName[] = "name";
constexpr char kAttempt[] = "attempt";
constexpr char kDeadline[] = "deadline";
// And then the script.

// Addresses only: memory is used when it is touched.
constexpr size_t kRegionBytes = task::kMaxMemoryBytes + task::kMaxMemoryBytes / 2 + (64 << 20);

int64_t MonotonicNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
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
  // The fields that each run has, so that setting them does not make the table grow.
  for (const char* const field : {kPayload, kName, kAttempt, kDeadline}) {
    lua_pushboolean(state, 0);
    lua_setfield(state, kTaskIndex, field);
  }
  lua_gc(state, LUA_GCCOLLECT);
  image_ = std::make_unique<const Image>(*heap_);
  compiler_ = std::make_unique<Compiler>(heap_, &memory_, image_.get(), run_->script);
}

Interpreter& Interpreter::Of(lua_State* thread) {
  return **static_cast<Interpreter**>(lua_getextraspace(thread));
}

// --- a turn: what a run does between two batches, or until it is over ---

int64_t Interpreter::CpuNanos() { return run_->cpu_before + clock_.Now() - turn_start_; }

void Interpreter::StartClock() {
  clock_.Sync();
  turn_start_ = clock_.Now();
}

void Interpreter::Begin(const Image& image) {
  started_from_ = &image;
  too_large_ = std::numeric_limits<size_t>::max();
  stopped_ = false;
  current_ = run_->attempt;
  // A batch has been waited for.
  if (batch_ != channel_->batch_number()) clock_.Sync();
  batch_ = channel_->batch_number();
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
  memory_.Trim(started_from_->size() + Memory::kKeptBytes);
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

int64_t Interpreter::CheckCpuTime() {
  if (current_ == 0) return 0;
  // The turn may have begun a little later than now, as the clock had it.
  const int64_t used = run_->cpu_before + CpuClock::Exact() - turn_start_;
  if (used <= run_->cpu_limit) return 0;
  interrupts::Abandon(Ending::kCpuExceeded);
  return used - run_->cpu_limit;
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
  lua_setfield(state, kTaskIndex, kPayload);
  lua_pushlstring(state, run.name.data(), run.name.size());
  lua_setfield(state, kTaskIndex, kName);
  lua_pushinteger(state, run.number);
  lua_setfield(state, kTaskIndex, kAttempt);
  lua_pushnumber(state, run.deadline);
  lua_setfield(state, kTaskIndex, kDeadline);
  if (compiled || Compiler::Load(run_->script, run.chunk_name, run.source)) return true;
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
  const Why why = wish == Wish::kSleep ? Why::kSleeps : wish == Wish::kCall ? Why::kCalls : Why::kGivesWay;
  const uint64_t wake =
      wish == Wish::kSleep ? static_cast<uint64_t>(MonotonicNanos() + run_->sleep_nanos) : uint64_t{0};
  {
    const interrupts::HostSection section;
    run_->wish = Wish::kNone;
    const int64_t now = clock_.Now();
    run_->cpu_before += now - turn_start_;
    turn_start_ = now;
    if (wish == Wish::kCall) {
      const std::string arguments(ToView(run_->state, -1));
      lua_pop(run_->state, 1);
      if (interrupts::pending() == Ending::kOk) {
        channel_->Send(Call{run_->attempt, true, run_->function, arguments});
      }
    }
    const bool parks = FitsIntoDifference();
    if (interrupts::pending() == Ending::kOk) {
      if (parks) {
        interrupts::Decide();
        channel_->Send(
            Parked{run_->attempt, why, wake, static_cast<uint64_t>(run_->cpu_before), difference_});
        return true;
      }
      channel_->ReturnRest();
      channel_->Send(Waits{run_->attempt, why, wake});
      channel_->Flush();
    }
  }
  interrupts::CheckPoint();
  AwaitServer(channel_->fd());
  const interrupts::HostSection section;
  const Answer answer = channel_->ReadAnswer();
  if (wish == Wish::kCall) {
    answer_ok_ = answer.ok;
    answer_ = answer.answer;
  }
  return false;
}

// Makes `difference_`. A run that was found too large is not looked at again while it is half as large: a
// long one gives way often.
bool Interpreter::FitsIntoDifference() {
  if (heap_->used() > too_large_ / 2) return false;
  difference_.clear();
  const bool fits = started_from_->AppendDifference(*heap_, kMaxDifferenceBytes, difference_);
  if (!fits) too_large_ = heap_->used();
  return fits;
}

// A signal that ends the run is to be heard meanwhile.
void Interpreter::AwaitServer(int fd) {
  pollfd server = {fd, POLLIN, 0};
  while (ppoll(&server, 1, nullptr, nullptr) <= 0) {
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
  const int64_t now = clock_.Now();
  done.cpu_nanos = static_cast<uint64_t>(run_->cpu_before + now - turn_start_);
  turn_start_ = now;
  done.peak_memory_bytes = memory_.peak();
  done.output_bytes = run_->output_bytes;
  channel_->Send(done);
}

std::unique_ptr<CompiledScript> Interpreter::Compile(const Script& script) {
  std::unique_ptr<CompiledScript> compiled = compiler_->Compile(script);
  StartClock();
  return compiled;
}

Checked Interpreter::Check(std::string_view source) {
  const Checked checked = compiler_->Check(source);
  StartClock();
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
