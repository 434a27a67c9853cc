#include <cstring>
#include <string>

#include "server/sandbox/interpreter.h"
#include "server/sandbox/interrupts.h"
#include "server/sandbox/json.h"
#include "server/sandbox/libraries.h"

// Scripts create tasks as clients do: with a CreateTaskRequest, in JSON, that the server checks like any
// other.
namespace errand::sandbox {
namespace {

// The answer is its name.
int NameOfTask(lua_State*, int, lua_KContext) { return 1; }

// Raises an error for an option that there is not: it is misspelt.
void CheckOptions(lua_State* thread, int options) {
  lua_pushnil(thread);
  while (lua_next(thread, options) != 0) {
    lua_pop(thread, 1);
    const char* name = lua_type(thread, -1) == LUA_TSTRING ? lua_tostring(thread, -1) : "?";
    bool known = false;
    for (const char* option : {"queue", "request_id", "task_id"})
      known = known || std::strcmp(name, option) == 0;
    if (!known) luaL_error(thread, "'%s' is no option: queue, request_id and task_id are", name);
  }
}

void CopyText(lua_State* thread, int options, const char* option, const char* field) {
  if (lua_getfield(thread, options, option) == LUA_TNIL) {
    lua_pop(thread, 1);
    return;
  }
  if (lua_type(thread, -1) != LUA_TSTRING) luaL_error(thread, "option '%s' must be a string", option);
  lua_setfield(thread, -2, field);
}

// Calls the server with the request that is made of the task on the top and the options at 2.
int Submit(lua_State* thread) {
  lua_createtable(thread, 0, 4);
  lua_insert(thread, -2);
  lua_setfield(thread, -2, "task");
  if (!lua_isnoneornil(thread, 2)) {
    luaL_checktype(thread, 2, LUA_TTABLE);
    CheckOptions(thread, 2);
    if (lua_getfield(thread, 2, "queue") == LUA_TNIL) {
      lua_pop(thread, 1);
    } else {
      if (lua_type(thread, -1) != LUA_TSTRING) return luaL_error(thread, "option 'queue' must be a string");
      lua_pushfstring(thread, "queues/%s", lua_tostring(thread, -1));
      lua_remove(thread, -2);
      lua_setfield(thread, -2, "parent");
    }
    CopyText(thread, 2, "task_id", "taskId");
    CopyText(thread, 2, "request_id", "requestId");
  }
  bool encoded;
  {
    const interrupts::HostSection section;
    std::string problem;
    encoded = PushJson(thread, -1, problem);
    if (!encoded) lua_pushlstring(thread, problem.data(), problem.size());
  }
  interrupts::CheckPoint();
  if (!encoded)
    return luaL_error(thread, "the task cannot be expressed as JSON: %s", lua_tostring(thread, -1));
  if (lua_rawlen(thread, -1) > kMaxCallBytes) {
    return luaL_error(thread, "the task takes more than %d bytes", static_cast<int>(kMaxCallBytes));
  }
  return Interpreter::Of(thread).CallServer(thread, Function::kSubmit, NameOfTask);
}

// task.submit(task [, options]): the name of the task
int SubmitTask(lua_State* thread) {
  luaL_checktype(thread, 1, LUA_TTABLE);
  lua_settop(thread, 2);
  lua_pushvalue(thread, 1);
  return Submit(thread);
}

// email.send(email [, options]): the name of the task that delivers it
int SendEmail(lua_State* thread) {
  luaL_checktype(thread, 1, LUA_TTABLE);
  lua_settop(thread, 2);
  lua_createtable(thread, 0, 1);
  lua_pushvalue(thread, 1);
  lua_setfield(thread, -2, "email");
  return Submit(thread);
}

}  // namespace

int OpenEmail(lua_State* state) {
  lua_getglobal(state, "task");
  lua_pushcfunction(state, SubmitTask);
  lua_setfield(state, -2, "submit");
  lua_pop(state, 1);
  constexpr luaL_Reg kFunctions[] = {{"send", SendEmail}, {nullptr, nullptr}};
  luaL_newlib(state, kFunctions);
  return 1;
}

}  // namespace errand::sandbox
