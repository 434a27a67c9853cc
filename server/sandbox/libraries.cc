#include "server/sandbox/libraries.h"

#include <string>

#include "server/sandbox/interrupts.h"
#include "server/sandbox/json.h"

namespace errand::sandbox {

void OpenLibraries(lua_State* state) {
  constexpr luaL_Reg kLibraries[] = {
      {LUA_GNAME, OpenBase},
      {LUA_STRLIBNAME, OpenString},
      {LUA_TABLIBNAME, luaopen_table},
      {LUA_MATHLIBNAME, OpenMath},
      {LUA_UTF8LIBNAME, luaopen_utf8},
      {LUA_COLIBNAME, OpenCoroutine},
      {LUA_OSLIBNAME, OpenOs},
      {"json", OpenJson},
      {"shared", OpenShared},
      {"task", OpenTask},
      {"email", OpenEmail},
      {"log", OpenLog},
      {"re", OpenRe},
      {"base64", OpenBase64},
      {"hash", OpenHash},
  };
  for (const luaL_Reg& library : kLibraries) {
    luaL_requiref(state, library.name, library.func, 1);
    lua_pop(state, 1);
  }
}

void PushText(lua_State* thread, int index) {
  index = lua_absindex(thread, index);
  if (luaL_callmeta(thread, index, "__tostring")) {
    if (!lua_isstring(thread, -1)) luaL_error(thread, "'__tostring' must return a string");
    return;
  }
  switch (lua_type(thread, index)) {
    case LUA_TNIL:
    case LUA_TBOOLEAN:
    case LUA_TNUMBER:
    case LUA_TSTRING:
      luaL_tolstring(thread, index, nullptr);
      return;
    case LUA_TLIGHTUSERDATA:
      lua_pushstring(thread, "null");  // json.null, the only one there is.
      return;
    default:
      lua_pushstring(thread, luaL_typename(thread, index));
  }
}

void AddTexts(luaL_Buffer* line, int first, int last) {
  for (int i = first; i <= last; ++i) {
    if (i > first) luaL_addchar(line, '\t');
    PushText(line->L, i);
    luaL_addvalue(line);
  }
}

void PushErrorText(lua_State* thread, int index) {
  index = lua_absindex(thread, index);
  if (lua_istable(thread, index) && luaL_getmetafield(thread, index, "__tostring") == LUA_TNIL) {
    const interrupts::HostSection section;
    std::string problem;
    if (PushJson(thread, index, problem)) return;
  }
  PushText(thread, index);
}

}  // namespace errand::sandbox
