#include <cstring>
#include <string_view>

#include "server/sandbox/interpreter.h"
#include "server/sandbox/libraries.h"

namespace errand::sandbox {
namespace {

// What is kept of the standard library; whatever a later Lua adds is not.
constexpr const char* kKept[] = {"_G",     "_VERSION", "assert",   "error",    "getmetatable", "ipairs",
                                 "next",   "pairs",    "pcall",    "rawequal", "rawget",       "rawlen",
                                 "rawset", "select",   "tonumber", "type",     "xpcall"};

bool IsKept(const char* name) {
  for (const char* kept : kKept) {
    if (std::strcmp(name, kept) == 0) return true;
  }
  return false;
}

int CollectGarbage(lua_State* thread) {
  const char* option = luaL_optstring(thread, 1, "collect");
  if (std::strcmp(option, "count") != 0) {
    return luaL_error(thread, "collectgarbage: only \"count\" is available");
  }
  const int kilobytes = lua_gc(thread, LUA_GCCOUNT);
  lua_pushnumber(thread, kilobytes + lua_gc(thread, LUA_GCCOUNTB) / 1024.0);
  return 1;
}

// The standard `load`, an upvalue, with mode "t": bytecode is not checked by Lua and can do anything.
int Load(lua_State* thread) {
  const bool has_environment = !lua_isnone(thread, 4);
  lua_settop(thread, has_environment ? 4 : 3);
  lua_pushliteral(thread, "t");
  lua_replace(thread, 3);
  lua_pushvalue(thread, lua_upvalueindex(1));
  lua_insert(thread, 1);
  lua_call(thread, has_environment ? 4 : 3, LUA_MULTRET);
  return lua_gettop(thread);
}

int SetMetatable(lua_State* thread) {
  luaL_checktype(thread, 1, LUA_TTABLE);
  luaL_argexpected(thread, lua_isnil(thread, 2) || lua_istable(thread, 2), 2, "nil or table");
  // Finalizers run at any time, outside of what the script's caller protects. Lua looks for `__gc` only
  // here: one that is added later has no effect.
  if (lua_istable(thread, 2)) {
    lua_pushliteral(thread, "__gc");
    if (lua_rawget(thread, 2) != LUA_TNIL) return luaL_error(thread, "'__gc' is not available to scripts");
  }
  if (luaL_getmetafield(thread, 1, "__metatable") != LUA_TNIL) {
    return luaL_error(thread, "cannot change a protected metatable");
  }
  lua_settop(thread, 2);
  lua_setmetatable(thread, 1);
  return 1;
}

int ToString(lua_State* thread) {
  luaL_checkany(thread, 1);
  PushText(thread, 1);
  return 1;
}

int Print(lua_State* thread) {
  const int count = lua_gettop(thread);
  luaL_Buffer line;
  luaL_buffinit(thread, &line);
  AddTexts(&line, 1, count);
  luaL_addchar(&line, '\n');
  luaL_pushresult(&line);
  size_t size;
  const char* text = lua_tolstring(thread, -1, &size);
  Interpreter& interpreter = Interpreter::Of(thread);
  interpreter.ChargeOutput(size);
  interpreter.channel().Send(Output{interpreter.attempt(), {text, size}});
  return 0;
}

}  // namespace

int OpenBase(lua_State* state) {
  luaopen_base(state);
  lua_getfield(state, -1, "load");
  lua_pushcclosure(state, Load, 1);
  // Assigning nil to what exists is allowed while a table is walked.
  lua_pushnil(state);
  while (lua_next(state, -3) != 0) {
    lua_pop(state, 1);
    if (IsKept(lua_tostring(state, -1))) continue;
    lua_pushvalue(state, -1);
    lua_pushnil(state);
    lua_rawset(state, -5);
  }
  lua_setfield(state, -2, "load");
  constexpr luaL_Reg kOwn[] = {{"collectgarbage", CollectGarbage},
                               {"print", Print},
                               {"setmetatable", SetMetatable},
                               {"tostring", ToString},
                               {nullptr, nullptr}};
  luaL_setfuncs(state, kOwn, 0);
  return 1;
}

}  // namespace errand::sandbox
