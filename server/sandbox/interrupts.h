#ifndef ERRAND_SERVER_SANDBOX_INTERRUPTS_H_
#define ERRAND_SERVER_SANDBOX_INTERRUPTS_H_

#include <lua.hpp>

#include "server/sandbox/wire.h"

// Stops what a script does at once, wherever it is: in Lua or in one of Lua's C functions.
//
// An error in Lua would not do, pcall catches it. So the run is abandoned: a jump leads out of it, from a
// signal handler or from the allocator, and its heap, in the middle of something, is never used again but
// overwritten by an image. That is safe as long as nothing outside of the heap is in the middle of something
// too: C++ code that a script calls opens a HostSection, and a jump that is due then waits until Lua executes
// the next instruction, where a hook takes it.
//
// The same hook serves what else has to happen between two instructions: collecting garbage and giving way to
// other tasks. No hook is set as long as nothing is wished, because one makes Lua half as fast.
//
// One thread, one run at a time. What is marked (signal) may be called from a handler.
namespace errand::sandbox::interrupts {

// Calls run(context). kOk when it returns; otherwise why it was abandoned. Between the call and the return
// no object with a destructor may be alive outside of HostSections.
Ending Guard(void (*run)(void* context), void* context);

// Abandons the run, at once if that is safe. Nothing happens when none is guarded. (signal)
void Abandon(Ending why);

// Why the run is to be abandoned at the next opportunity; kOk when it is not. C++ code that takes long asks.
Ending pending();

// Abandons the run if that is due; for the end of C++ code that took long.
void CheckPoint();

// From now on until Guard returns, Abandon does nothing: the run's end has been decided.
void Decide();

// C++ code that must not be jumped out of. May be nested; no call of Lua in it may raise an error.
class HostSection {
 public:
  HostSection();
  ~HostSection();
  HostSection(const HostSection&) = delete;
  HostSection& operator=(const HostSection&) = delete;
};

// (signal)
bool InHostSection();

// Calls `call` when the HostSection that is open ends: the outermost one. The last call counts. (signal)
void CallAfterHostSection(void (*call)());

// The thread that executes; null when none does.
void SetRunning(lua_State* thread);

// Calls `collect`, or `give_way` if the thread can yield, before the next instruction. (signal)
void WishToCollect(void (*collect)(lua_State* thread));
void WishToGiveWay(void (*give_way)(lua_State* thread));

}  // namespace errand::sandbox::interrupts

#endif  // ERRAND_SERVER_SANDBOX_INTERRUPTS_H_
