#include <cmath>
#include <cstring>
#include <string>

#include "server/sandbox/interpreter.h"
#include "server/sandbox/interrupts.h"
#include "server/sandbox/libraries.h"
#include "server/sandbox/utf8.h"
#include "server/task/limits.h"

namespace errand::sandbox {
namespace {

constexpr char kFailureType[] = "errand.failure";

// What task.fail raises: userdata, so that no script can make one otherwise; its text is a user value.
struct Failure {
  bool permanent;
};

double CheckFinite(lua_State* thread, int index) {
  const double value = luaL_checknumber(thread, index);
  luaL_argcheck(thread, std::isfinite(value), index, "must be a finite number");
  return value;
}

std::string_view ToView(lua_State* thread, int index) {
  size_t size;
  const char* data = lua_tolstring(thread, index, &size);
  return {data, size};
}

// task.progress(completed [, total [, message]])
int ReportProgress(lua_State* thread) {
  const double completed = CheckFinite(thread, 1);
  const double total = lua_isnoneornil(thread, 2) ? 0 : CheckFinite(thread, 2);
  luaL_argcheck(thread, completed >= 0, 1, "must not be negative");
  luaL_argcheck(thread, total >= 0, 2, "must not be negative");
  lua_settop(thread, 3);
  if (lua_isnil(thread, 3)) {
    lua_pushliteral(thread, "");
  } else {
    PushText(thread, 3);
  }
  const interrupts::HostSection section;
  Interpreter& interpreter = Interpreter::Of(thread);
  const std::string message = CleanUtf8(ToView(thread, -1), task::kMaxProgressMessageBytes);
  interpreter.channel().Send(Progress{interpreter.attempt(), completed, total, message});
  return 0;
}

// task.log([level,] message)
int WriteLog(lua_State* thread) {
  constexpr const char* kLevels[] = {"debug", "info", "warning", "error", nullptr};
  auto level = LogLevel::kInfo;
  int text = 1;
  if (lua_gettop(thread) >= 2) {
    level = static_cast<LogLevel>(luaL_checkoption(thread, 1, nullptr, kLevels) + 1);
    text = 2;
  }
  luaL_checkany(thread, text);
  PushText(thread, text);
  SendLogLine(thread, level);
  return 0;
}

// task.sleep(seconds)
int Sleep(lua_State* thread) {
  constexpr double kMaxSeconds = 366.0 * 24 * 3600;
  const double seconds = CheckFinite(thread, 1);
  luaL_argcheck(thread, seconds >= 0, 1, "must not be negative");
  luaL_argcheck(thread, seconds <= kMaxSeconds, 1, "must be at most 366 days");
  lua_settop(thread, 0);
  return Interpreter::Of(thread).Sleep(thread, static_cast<int64_t>(seconds * 1e9));
}

// task.fail(message [, {permanent = true}])
int Fail(lua_State* thread) {
  luaL_checkany(thread, 1);
  bool permanent = false;
  if (!lua_isnoneornil(thread, 2)) {
    luaL_checktype(thread, 2, LUA_TTABLE);
    lua_getfield(thread, 2, "permanent");
    permanent = lua_toboolean(thread, -1) != 0;
  }
  PushText(thread, 1);
  auto* failure = static_cast<Failure*>(lua_newuserdatauv(thread, sizeof(Failure), 1));
  failure->permanent = permanent;
  lua_insert(thread, -2);
  lua_setiuservalue(thread, -2, 1);
  luaL_setmetatable(thread, kFailureType);
  return lua_error(thread);
}

int FailureText(lua_State* thread) {
  luaL_checkudata(thread, 1, kFailureType);
  lua_getiuservalue(thread, 1, 1);
  return 1;
}

}  // namespace

bool IsFailure(lua_State* thread, int index, bool& permanent) {
  const auto* failure = static_cast<Failure*>(luaL_testudata(thread, index, kFailureType));
  if (failure == nullptr) return false;
  permanent = failure->permanent;
  return true;
}

int OpenTask(lua_State* state) {
  luaL_newmetatable(state, kFailureType);
  lua_pushcfunction(state, FailureText);
  lua_setfield(state, -2, "__tostring");
  lua_pushboolean(state, 0);
  lua_setfield(state, -2, "__metatable");
  lua_pop(state, 1);
  constexpr luaL_Reg kFunctions[] = {
      {"fail", Fail}, {"log", WriteLog}, {"progress", ReportProgress}, {"sleep", Sleep}, {nullptr, nullptr}};
  luaL_newlib(state, kFunctions);
  return 1;
}

}  // namespace errand::sandbox
