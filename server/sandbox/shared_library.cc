#include <cmath>
#include <string>

#include "server/sandbox/interpreter.h"
#include "server/sandbox/interrupts.h"
#include "server/sandbox/json.h"
#include "server/sandbox/libraries.h"
#include "server/task/limits.h"

// Values that the tasks of a queue share. They lie in the server, which answers at once: a script does not
// give its process away for that.
namespace errand::sandbox {
namespace {

constexpr double kMaxTtlSeconds = static_cast<double>(task::kMaxTtlSeconds);

std::string_view CheckKey(lua_State* thread) {
  size_t size;
  const char* key = luaL_checklstring(thread, 1, &size);
  return {key, size};
}

// Seconds, 0 for ever.
uint64_t CheckTtl(lua_State* thread, int index) {
  if (lua_isnoneornil(thread, index)) return 0;
  const double seconds = luaL_checknumber(thread, index);
  luaL_argcheck(thread, seconds > 0 && seconds <= kMaxTtlSeconds, index,
                "must be more than 0 seconds and at most 366 days");
  return static_cast<uint64_t>(std::ceil(seconds * 1000));
}

// Replaces the value at `index` by the text that stands for it, or pushes what is wrong with it.
bool PackValue(lua_State* thread, int index) {
  const interrupts::HostSection section;
  std::string problem;
  char tag = kTextTag;
  if (lua_type(thread, index) == LUA_TSTRING) {
    lua_pushvalue(thread, index);
  } else if (PushJson(thread, index, problem)) {
    tag = kJsonTag;
  } else {
    lua_pushlstring(thread, problem.data(), problem.size());
    return false;
  }
  lua_pushlstring(thread, &tag, 1);
  lua_insert(thread, -2);
  lua_concat(thread, 2);
  lua_replace(thread, index);
  return true;
}

// Pushes the answer, or what went wrong.
bool Ask(lua_State* thread, Function function, const SharedArguments& arguments) {
  const interrupts::HostSection section;
  if (arguments.key.size() + arguments.value.size() > kMaxCallBytes - kFrameOverhead) {
    lua_pushliteral(thread, "the value is too large");
    return false;
  }
  std::string bytes;
  Append(arguments, bytes);
  const Answer answer = Interpreter::Of(thread).CallServerAtOnce(function, bytes);
  lua_pushlstring(thread, answer.answer.data(), answer.answer.size());
  return answer.ok;
}

int Raise(lua_State* thread, const char* function) {
  interrupts::CheckPoint();
  return luaL_error(thread, "shared.%s: %s", function, lua_tostring(thread, -1));
}

// Replaces the text on the top by the value that it stands for.
bool UnpackValue(lua_State* thread) {
  const interrupts::HostSection section;
  size_t size;
  const char* text = lua_tolstring(thread, -1, &size);
  std::string problem;
  if (size == 0) {
    lua_pushnil(thread);
  } else if (*text == kTextTag) {
    lua_pushlstring(thread, text + 1, size - 1);
  } else if (!ParseJson(thread, {text + 1, size - 1}, problem)) {
    lua_pushlstring(thread, problem.data(), problem.size());
    return false;
  }
  return true;
}

// shared.get(key): the value, or nil
int Get(lua_State* thread) {
  SharedArguments arguments;
  arguments.key = CheckKey(thread);
  if (!Ask(thread, Function::kSharedGet, arguments)) return Raise(thread, "get");
  if (!UnpackValue(thread)) return Raise(thread, "get");
  return 1;
}

int Store(lua_State* thread, Function function, const char* name) {
  SharedArguments arguments;
  arguments.key = CheckKey(thread);
  luaL_checkany(thread, 2);
  arguments.ttl_millis = CheckTtl(thread, 3);
  if (lua_isnil(thread, 2)) {
    luaL_argcheck(thread, function == Function::kSharedSet, 2, "must not be nil");
    function = Function::kSharedDelete;
  } else {
    if (!PackValue(thread, 2)) return Raise(thread, name);
    size_t size;
    const char* text = lua_tolstring(thread, 2, &size);
    arguments.value = {text, size};
  }
  if (!Ask(thread, function, arguments)) return Raise(thread, name);
  return 1;
}

// shared.set(key, value [, ttl]); nil forgets it
int Set(lua_State* thread) {
  Store(thread, Function::kSharedSet, "set");
  return 0;
}

// shared.add(key, value [, ttl]): true if there was none
int Add(lua_State* thread) {
  Store(thread, Function::kSharedAdd, "add");
  lua_pushboolean(thread, lua_rawlen(thread, -1) > 0);
  return 1;
}

// shared.incr(key [, by [, ttl]]): the sum
int Increment(lua_State* thread) {
  SharedArguments arguments;
  arguments.key = CheckKey(thread);
  arguments.by = luaL_optinteger(thread, 2, 1);
  arguments.ttl_millis = CheckTtl(thread, 3);
  if (!Ask(thread, Function::kSharedIncrement, arguments)) return Raise(thread, "incr");
  lua_stringtonumber(thread, lua_tostring(thread, -1));
  return 1;
}

}  // namespace

int OpenShared(lua_State* state) {
  constexpr luaL_Reg kFunctions[] = {
      {"add", Add}, {"get", Get}, {"incr", Increment}, {"set", Set}, {nullptr, nullptr}};
  luaL_newlib(state, kFunctions);
  return 1;
}

}  // namespace errand::sandbox
