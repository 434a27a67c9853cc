// log: lines beside the output, each with a level.

#include <string>
#include <string_view>

#include "server/sandbox/interpreter.h"
#include "server/sandbox/interrupts.h"
#include "server/sandbox/libraries.h"
#include "server/sandbox/utf8.h"
#include "server/task/limits.h"

namespace errand::sandbox {
namespace {

// Shows its arguments as `print` does.
template <LogLevel level>
int Write(lua_State* thread) {
  luaL_checkany(thread, 1);
  const int count = lua_gettop(thread);
  luaL_Buffer line;
  luaL_buffinit(thread, &line);
  AddTexts(&line, 1, count);
  luaL_pushresult(&line);
  SendLogLine(thread, level);
  return 0;
}

}  // namespace

void SendLogLine(lua_State* thread, LogLevel level) {
  const interrupts::HostSection section;
  Interpreter& interpreter = Interpreter::Of(thread);
  size_t size;
  const char* text = lua_tolstring(thread, -1, &size);
  const std::string message = CleanUtf8({text, size}, task::kMaxLogLineBytes);
  interpreter.ChargeOutput(message.size() + 1);  // With a line's end, so that empty ones are not free.
  if (interrupts::pending() == Ending::kOk) {
    interpreter.channel().Send(Log{interpreter.attempt(), level, message});
  }
}

int OpenLog(lua_State* state) {
  constexpr luaL_Reg kFunctions[] = {{"debug", Write<LogLevel::kDebug>},
                                     {"error", Write<LogLevel::kError>},
                                     {"info", Write<LogLevel::kInfo>},
                                     {"warning", Write<LogLevel::kWarning>},
                                     {nullptr, nullptr}};
  luaL_newlib(state, kFunctions);
  return 1;
}

}  // namespace errand::sandbox
