#include "server/sandbox/interpreter.h"
#include "server/sandbox/libraries.h"

// Lua's coroutine library cannot be used as it is: what waits inside a coroutine must yield through whoever
// resumed it, the memory limit must know which thread runs, and closing must be bounded. The behaviour is
// that of the manual (section 6.2), with its messages.
namespace errand::sandbox {
namespace {

constexpr int kFailed = -1;
constexpr int kLeaves = -2;

enum class Status { kRunning, kDead, kSuspended, kNormal };

const char* Name(Status status) {
  switch (status) {
    case Status::kRunning:
      return "running";
    case Status::kDead:
      return "dead";
    case Status::kSuspended:
      return "suspended";
    case Status::kNormal:
      break;
  }
  return "normal";
}

Status StatusOf(lua_State* thread, lua_State* coroutine) {
  if (thread == coroutine) return Status::kRunning;
  if (lua_status(coroutine) == LUA_YIELD) return Status::kSuspended;
  if (lua_status(coroutine) != LUA_OK) return Status::kDead;
  lua_Debug frame;
  if (lua_getstack(coroutine, 0, &frame) != 0) return Status::kNormal;  // It resumed another.
  return lua_gettop(coroutine) == 0 ? Status::kDead : Status::kSuspended;
}

lua_State* CheckCoroutine(lua_State* thread) {
  lua_State* coroutine = lua_tothread(thread, 1);
  luaL_argexpected(thread, coroutine != nullptr, 1, "thread");
  return coroutine;
}

// Runs the coroutine with the top `arguments` values. Says how many results are on the stack; kFailed with
// the error object on the stack; or kLeaves.
int Run(lua_State* thread, lua_State* coroutine, int arguments) {
  if (!lua_checkstack(coroutine, arguments)) {
    lua_pushliteral(thread, "too many arguments to resume");
    return kFailed;
  }
  lua_xmove(thread, coroutine, arguments);
  int results;
  bool leaves;
  const int status = Interpreter::Of(thread).ResumeCoroutine(thread, coroutine, arguments, results, leaves);
  if (leaves) return kLeaves;
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(coroutine, thread, 1);
    return kFailed;
  }
  if (!lua_checkstack(thread, results + 1)) {
    lua_pop(coroutine, results);
    lua_pushliteral(thread, "too many results to resume");
    return kFailed;
  }
  lua_xmove(coroutine, thread, results);
  return results;
}

int AfterLeaveInResume(lua_State* thread, int status, lua_KContext context);

int FinishResume(lua_State* thread, int results) {
  if (results == kLeaves) return lua_yieldk(thread, 0, 0, AfterLeaveInResume);
  lua_pushboolean(thread, results != kFailed);
  if (results == kFailed) results = 1;
  lua_insert(thread, -(results + 1));
  return results + 1;
}

int AfterLeaveInResume(lua_State* thread, int, lua_KContext) {
  return FinishResume(thread, Run(thread, lua_tothread(thread, 1), 0));
}

int ResumeFirst(lua_State* thread) {
  lua_State* coroutine = CheckCoroutine(thread);
  return FinishResume(thread, Run(thread, coroutine, lua_gettop(thread) - 1));
}

lua_State* Wrapped(lua_State* thread) { return lua_tothread(thread, lua_upvalueindex(1)); }

int AfterLeaveInWrapped(lua_State* thread, int status, lua_KContext context);

int FinishWrapped(lua_State* thread, int results) {
  if (results == kLeaves) return lua_yieldk(thread, 0, 0, AfterLeaveInWrapped);
  if (results != kFailed) return results;
  lua_State* coroutine = Wrapped(thread);
  const int status = lua_status(coroutine);
  if (status != LUA_OK && status != LUA_YIELD) {
    // The error came from within. What is to be closed there may replace it.
    lua_xmove(thread, coroutine, 1);
    Interpreter::Of(thread).CloseCoroutine(thread, coroutine);
    lua_xmove(coroutine, thread, 1);
  }
  if (lua_type(thread, -1) == LUA_TSTRING) {
    luaL_where(thread, 1);
    lua_insert(thread, -2);
    lua_concat(thread, 2);
  }
  return lua_error(thread);
}

int AfterLeaveInWrapped(lua_State* thread, int, lua_KContext) {
  return FinishWrapped(thread, Run(thread, Wrapped(thread), 0));
}

int CallWrapped(lua_State* thread) {
  return FinishWrapped(thread, Run(thread, Wrapped(thread), lua_gettop(thread)));
}

int Create(lua_State* thread) {
  luaL_checktype(thread, 1, LUA_TFUNCTION);
  lua_State* coroutine = lua_newthread(thread);
  lua_pushvalue(thread, 1);
  lua_xmove(thread, coroutine, 1);
  return 1;
}

int Wrap(lua_State* thread) {
  Create(thread);
  lua_pushcclosure(thread, CallWrapped, 1);
  return 1;
}

bool MayYield(lua_State* thread) {
  const Interpreter& interpreter = Interpreter::Of(thread);
  return !interpreter.IsScript(thread) && !interpreter.IsClosing(thread) && lua_isyieldable(thread);
}

int Yield(lua_State* thread) {
  const Interpreter& interpreter = Interpreter::Of(thread);
  if (interpreter.IsScript(thread)) return luaL_error(thread, "attempt to yield from outside a coroutine");
  if (interpreter.IsClosing(thread))
    return luaL_error(thread, "attempt to yield while a coroutine is closed");
  return lua_yield(thread, lua_gettop(thread));
}

int IsYieldable(lua_State* thread) {
  lua_State* coroutine = lua_isnone(thread, 1) ? thread : CheckCoroutine(thread);
  lua_pushboolean(thread, MayYield(coroutine));
  return 1;
}

int Running(lua_State* thread) {
  lua_pushthread(thread);
  lua_pushboolean(thread, Interpreter::Of(thread).IsScript(thread));
  return 2;
}

int GetStatus(lua_State* thread) {
  lua_pushstring(thread, Name(StatusOf(thread, CheckCoroutine(thread))));
  return 1;
}

int Close(lua_State* thread) {
  lua_State* coroutine = CheckCoroutine(thread);
  const Status status = StatusOf(thread, coroutine);
  if (status != Status::kDead && status != Status::kSuspended) {
    return luaL_error(thread, "cannot close a %s coroutine", Name(status));
  }
  if (Interpreter::Of(thread).IsClosing(coroutine)) {
    return luaL_error(thread, "cannot close a coroutine that is being closed");
  }
  if (Interpreter::Of(thread).CloseCoroutine(thread, coroutine) == LUA_OK) {
    lua_pushboolean(thread, 1);
    return 1;
  }
  lua_pushboolean(thread, 0);
  lua_xmove(coroutine, thread, 1);
  return 2;
}

}  // namespace

int OpenCoroutine(lua_State* state) {
  constexpr luaL_Reg kFunctions[] = {
      {"close", Close},        {"create", Create},   {"isyieldable", IsYieldable},
      {"resume", ResumeFirst}, {"running", Running}, {"status", GetStatus},
      {"wrap", Wrap},          {"yield", Yield},     {nullptr, nullptr}};
  luaL_newlib(state, kFunctions);
  return 1;
}

}  // namespace errand::sandbox
