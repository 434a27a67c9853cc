#include "server/sandbox/interpreter.h"
#include "server/sandbox/libraries.h"

namespace errand::sandbox {
namespace {

// CPU time of this attempt; the process may have run others before.
int Clock(lua_State* thread) {
  lua_pushnumber(thread, static_cast<lua_Number>(Interpreter::Of(thread).CpuNanos()) / 1e9);
  return 1;
}

}  // namespace

int OpenOs(lua_State* state) {
  luaopen_os(state);
  lua_createtable(state, 0, 4);
  for (const char* kept : {"time", "date", "difftime"}) {
    lua_getfield(state, -2, kept);
    lua_setfield(state, -2, kept);
  }
  lua_pushcfunction(state, Clock);
  lua_setfield(state, -2, "clock");
  lua_remove(state, -2);
  return 1;
}

}  // namespace errand::sandbox
