#include <cstdio>
#include <cstring>

#include "server/sandbox/interpreter.h"
#include "server/sandbox/interrupts.h"
#include "server/sandbox/libraries.h"

namespace errand::sandbox {
namespace {

// CPU time of this attempt; the process may have run others before.
int Clock(lua_State* thread) {
  lua_pushnumber(thread, static_cast<lua_Number>(Interpreter::Of(thread).CpuNanos()) / 1e9);
  return 1;
}

// Calls the standard function, an upvalue, with the arguments on the top; leaves its results there. The C
// library holds a lock while it looks at the time zone.
void CallStandard(lua_State* thread, int arguments) {
  lua_pushvalue(thread, lua_upvalueindex(1));
  lua_insert(thread, -1 - arguments);
  int status;
  {
    const interrupts::HostSection section;
    status = lua_pcall(thread, arguments, LUA_MULTRET, 0);
  }
  if (status == LUA_OK) return;
  // "bad argument #1 to '?' (...)": it did not know that it was called as this function.
  int argument;
  int text = 0;
  const char* const message = lua_tostring(thread, -1);
  if (message != nullptr && std::sscanf(message, "bad argument #%d to '?' (%n", &argument, &text) == 1 &&
      text > 0) {
    lua_pushlstring(thread, message + text, std::strlen(message + text) - 1);
    luaL_argerror(thread, argument, lua_tostring(thread, -1));
  }
  lua_error(thread);
}

int Date(lua_State* thread) {
  CallStandard(thread, lua_gettop(thread));
  return lua_gettop(thread);
}

// What the standard os.time reads of its table, and what it writes back.
constexpr const char* kRead[] = {"year", "month", "day", "hour", "min", "sec", "isdst"};
constexpr const char* kWritten[] = {"year", "month", "day", "hour", "min", "sec", "yday", "wday", "isdst"};

// os.time([table]). The table's metamethods, code of the script, run before and after the standard function:
// that cannot be left in the middle.
int Time(lua_State* thread) {
  lua_settop(thread, lua_isnoneornil(thread, 1) ? 0 : 1);
  if (lua_gettop(thread) == 0) {
    CallStandard(thread, 0);
    return 1;
  }
  luaL_checktype(thread, 1, LUA_TTABLE);
  lua_newtable(thread);
  for (const char* const field : kRead) {
    lua_getfield(thread, 1, field);
    lua_setfield(thread, 2, field);
  }
  lua_pushvalue(thread, 2);
  CallStandard(thread, 1);
  for (const char* const field : kWritten) {
    if (lua_getfield(thread, 2, field) == LUA_TNIL) {
      lua_pop(thread, 1);
    } else {
      lua_setfield(thread, 1, field);
    }
  }
  return 1;
}

}  // namespace

int OpenOs(lua_State* state) {
  luaopen_os(state);
  lua_createtable(state, 0, 4);
  lua_getfield(state, -2, "time");
  lua_pushcclosure(state, Time, 1);
  lua_setfield(state, -2, "time");
  lua_getfield(state, -2, "date");
  lua_pushcclosure(state, Date, 1);
  lua_setfield(state, -2, "date");
  lua_getfield(state, -2, "difftime");
  lua_setfield(state, -2, "difftime");
  lua_pushcfunction(state, Clock);
  lua_setfield(state, -2, "clock");
  lua_remove(state, -2);
  return 1;
}

}  // namespace errand::sandbox
