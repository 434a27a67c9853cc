#ifndef ERRAND_SERVER_SANDBOX_LIBRARIES_H_
#define ERRAND_SERVER_SANDBOX_LIBRARIES_H_

#include <lua.hpp>

#include "server/sandbox/wire.h"

// What scripts can call.
//
// C functions that scripts call follow one pattern, because Lua's errors are jumps that run no destructor,
// and so is the end of a run (interrupts.h):
//   1. fetch the arguments, which may raise an error;
//   2. open a HostSection and compute in C++, without a call that may raise; allocating in Lua never does;
//   3. close it, take a CheckPoint where that may have taken long, and push the results or raise.
namespace errand::sandbox {

// Opens all libraries into the globals of a new state that belongs to an Interpreter.
void OpenLibraries(lua_State* state);

// Each is a lua_CFunction for luaL_requiref and leaves its table on the stack.
int OpenBase(lua_State* state);       // The standard one, less what reads files or runs bytecode.
int OpenString(lua_State* state);     // The standard one, less `dump` and '%p'.
int OpenCoroutine(lua_State* state);  // As the standard one; lets task.sleep through.
int OpenMath(lua_State* state);       // The standard one; randomseed tells no address.
int OpenOs(lua_State* state);         // time, date, clock, difftime; in UTC.
int OpenJson(lua_State* state);
int OpenShared(lua_State* state);
int OpenTask(lua_State* state);
int OpenEmail(lua_State* state);  // After task: adds task.submit, too.
int OpenLog(lua_State* state);
int OpenRe(lua_State* state);      // Regular expressions.
int OpenBase64(lua_State* state);  // RFC 4648.
int OpenHash(lua_State* state);    // SHA-256, also as HMAC.

// Pushes the value at `index` as `tostring` shows it to scripts: as luaL_tolstring, without addresses. May
// call a metamethod.
void PushText(lua_State* thread, int index);

// Adds the values of the stack from `first` to `last` as PushText shows them, with tabs between them.
void AddTexts(luaL_Buffer* line, int first, int last);

// Pushes what is shown of an error object. May call a metamethod.
void PushErrorText(lua_State* thread, int index);

// Sends the string on the top as a log line, cut to its bounds and charged as output.
void SendLogLine(lua_State* thread, LogLevel level);

// Whether the value at `index` was raised by task.fail, and whether it said that the error is permanent.
bool IsFailure(lua_State* thread, int index, bool& permanent);

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_LIBRARIES_H_
