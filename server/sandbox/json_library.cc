#include <string>

#include "server/sandbox/interrupts.h"
#include "server/sandbox/json.h"
#include "server/sandbox/libraries.h"

namespace errand::sandbox {
namespace {

// Pushes the result, or the message of the error; nothing that a jump would have to destroy outlives it.
bool Encode(lua_State* thread) {
  const interrupts::HostSection section;
  std::string problem;
  if (PushJson(thread, 1, problem)) return true;
  lua_pushlstring(thread, problem.data(), problem.size());
  return false;
}

bool Decode(lua_State* thread, const char* text, size_t size) {
  const interrupts::HostSection section;
  std::string problem;
  if (ParseJson(thread, {text, size}, problem)) return true;
  lua_pushlstring(thread, problem.data(), problem.size());
  return false;
}

int JsonEncode(lua_State* thread) {
  luaL_checkany(thread, 1);
  const bool encoded = Encode(thread);
  interrupts::CheckPoint();
  if (encoded) return 1;
  return luaL_error(thread, "json.encode: %s", lua_tostring(thread, -1));
}

int JsonDecode(lua_State* thread) {
  size_t size;
  const char* text = luaL_checklstring(thread, 1, &size);
  const bool decoded = Decode(thread, text, size);
  interrupts::CheckPoint();
  if (decoded) return 1;
  return luaL_error(thread, "json.decode: %s", lua_tostring(thread, -1));
}

// json.array([table]): marks a table, a new one if there is none, as an array even while it is empty.
int JsonArray(lua_State* thread) {
  if (lua_isnoneornil(thread, 1)) {
    lua_settop(thread, 0);
    lua_newtable(thread);
  }
  luaL_checktype(thread, 1, LUA_TTABLE);
  lua_settop(thread, 1);
  if (IsJsonArray(thread, 1)) return 1;
  if (luaL_getmetafield(thread, 1, "__metatable") != LUA_TNIL) {
    return luaL_error(thread, "json.array: cannot change a protected metatable");
  }
  luaL_setmetatable(thread, kJsonArray);
  return 1;
}

}  // namespace

int OpenJson(lua_State* state) {
  luaL_newmetatable(state, kJsonArray);
  // Nobody is to change it, all arrays share it.
  lua_pushboolean(state, 0);
  lua_setfield(state, -2, "__metatable");
  lua_pop(state, 1);
  constexpr luaL_Reg kFunctions[] = {
      {"array", JsonArray}, {"decode", JsonDecode}, {"encode", JsonEncode}, {nullptr, nullptr}};
  luaL_newlib(state, kFunctions);
  lua_pushlightuserdata(state, nullptr);
  lua_setfield(state, -2, "null");
  return 1;
}

}  // namespace errand::sandbox
