#include <cstring>

#include "server/sandbox/libraries.h"

namespace errand::sandbox {
namespace {

bool HasNoPlainText(lua_State* thread, int index) {
  switch (lua_type(thread, index)) {
    case LUA_TTABLE:
    case LUA_TFUNCTION:
    case LUA_TTHREAD:
    case LUA_TUSERDATA:
    case LUA_TLIGHTUSERDATA:
      return true;
    default:
      return false;
  }
}

// Found once; the same in every process.
lua_CFunction standard_format = nullptr;

// The standard `string.format`, without the ways to get at an address: '%p' is refused, and
// what '%s' shows is made here.
int Format(lua_State* thread) {
  size_t size;
  const char* format = luaL_checklstring(thread, 1, &size);
  const char* const end = format + size;
  const int arguments = lua_gettop(thread);
  int argument = 1;
  while (format < end) {
    if (*format++ != '%') continue;
    if (format < end && *format == '%') {
      ++format;
      continue;
    }
    while (format < end && std::strchr("-+ #0123456789.", *format) != nullptr && *format != '\0') ++format;
    if (format == end) break;
    ++argument;
    const char conversion = *format++;
    if (conversion == 'p') return luaL_error(thread, "string.format: '%%p' is not available to scripts");
    if (conversion == 's' && argument <= arguments && HasNoPlainText(thread, argument)) {
      PushText(thread, argument);
      lua_replace(thread, argument);
    }
  }
  // Called as if it were this function: its messages name it.
  return standard_format(thread);
}

}  // namespace

int OpenString(lua_State* state) {
  luaopen_string(state);
  lua_pushnil(state);
  lua_setfield(state, -2, "dump");
  lua_getfield(state, -1, "format");
  standard_format = lua_tocfunction(state, -1);
  lua_pop(state, 1);
  lua_pushcfunction(state, Format);
  lua_setfield(state, -2, "format");
  return 1;
}

}  // namespace errand::sandbox
