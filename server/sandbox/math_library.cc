#include "server/sandbox/libraries.h"

namespace errand::sandbox {
namespace {

// The standard `randomseed`, an upvalue. Without arguments that one makes a seed of an address and returns
// it; here it is of numbers drawn from `math.random`, the other upvalue, which the server has seeded.
int RandomSeed(lua_State* thread) {
  const int arguments = lua_gettop(thread);
  lua_pushvalue(thread, lua_upvalueindex(1));
  if (arguments > 0) {
    lua_insert(thread, 1);
    lua_call(thread, arguments, LUA_MULTRET);
    return lua_gettop(thread);
  }
  for (int i = 0; i < 2; ++i) {
    lua_pushvalue(thread, lua_upvalueindex(2));
    lua_pushinteger(thread, 0);  // All bits.
    lua_call(thread, 1, 1);
  }
  lua_call(thread, 2, LUA_MULTRET);
  return lua_gettop(thread);
}

}  // namespace

int OpenMath(lua_State* state) {
  luaopen_math(state);
  lua_getfield(state, -1, "randomseed");
  lua_getfield(state, -2, "random");
  lua_pushcclosure(state, RandomSeed, 2);
  lua_setfield(state, -2, "randomseed");
  return 1;
}

}  // namespace errand::sandbox
