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

// Calls the standard function, an upvalue. The C library holds a lock while it looks at the time zone.
int CallUninterrupted(lua_State* thread) {
  lua_pushvalue(thread, lua_upvalueindex(1));
  lua_insert(thread, 1);
  int status;
  {
    const interrupts::HostSection section;
    status = lua_pcall(thread, lua_gettop(thread) - 1, LUA_MULTRET, 0);
  }
  if (status == LUA_OK) return lua_gettop(thread);
  // "bad argument #1 to '?' (...)": it did not know that it was called as this function.
  int argument;
  int text = 0;
  const char* const message = lua_tostring(thread, -1);
  if (message != nullptr && std::sscanf(message, "bad argument #%d to '?' (%n", &argument, &text) == 1 &&
      text > 0) {
    lua_pushlstring(thread, message + text, std::strlen(message + text) - 1);
    return luaL_argerror(thread, argument, lua_tostring(thread, -1));
  }
  return lua_error(thread);
}

}  // namespace

int OpenOs(lua_State* state) {
  luaopen_os(state);
  lua_createtable(state, 0, 4);
  for (const char* kept : {"time", "date"}) {
    lua_getfield(state, -2, kept);
    lua_pushcclosure(state, CallUninterrupted, 1);
    lua_setfield(state, -2, kept);
  }
  lua_getfield(state, -2, "difftime");
  lua_setfield(state, -2, "difftime");
  lua_pushcfunction(state, Clock);
  lua_setfield(state, -2, "clock");
  lua_remove(state, -2);
  return 1;
}

}  // namespace errand::sandbox
