#ifndef ERRAND_SERVER_SANDBOX_MEMORY_H_
#define ERRAND_SERVER_SANDBOX_MEMORY_H_

#include <cstddef>
#include <lua.hpp>

namespace errand::sandbox {

// The memory of one Lua state, counted and bounded.
//
// Lua 5.4.4 can be made to use memory after it was freed when an allocation fails (luaV_finishset), and
// pcall catches "not enough memory". So an allocation never fails: beyond the limit the attempt ends, and
// its process with it. Not to end attempts that only made garbage, three quarters of the limit call for a
// full collection at the next instruction: a hook does it, because an allocation may come at a moment when
// Lua cannot collect.
class Memory {
 public:
  // Calls `on_exceeded`, which must not return, when the limit is passed.
  using OnExceeded = void (*)(void* context);
  Memory(OnExceeded on_exceeded, void* context) : on_exceeded_(on_exceeded), context_(context) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  void set_limit(size_t bytes);

  // The thread of the state that runs now: the one whose next instruction collects. Null when none runs.
  void set_running(lua_State* thread) { running_ = thread; }
  lua_State* running() const { return running_; }

  size_t peak() const { return peak_; }

  // Ends the attempt unless `bytes` more would still be allowed; for what is built outside of Lua.
  void CheckRoomFor(size_t bytes);

  // A lua_Alloc; `memory` is a Memory.
  static void* Allocate(void* memory, void* block, size_t old_size, size_t new_size);

 private:
  static void Collect(lua_State* thread, lua_Debug*);
  void CollectSoon();

  const OnExceeded on_exceeded_;
  void* const context_;
  size_t limit_ = static_cast<size_t>(-1);
  size_t used_ = 0;
  size_t peak_ = 0;
  size_t collect_at_ = static_cast<size_t>(-1);
  lua_State* running_ = nullptr;
  lua_State* hooked_ = nullptr;  // The last thread that was told to collect and has not done so yet.
};

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_MEMORY_H_
