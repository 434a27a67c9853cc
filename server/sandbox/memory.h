#ifndef ERRAND_SERVER_SANDBOX_MEMORY_H_
#define ERRAND_SERVER_SANDBOX_MEMORY_H_

#include <algorithm>
#include <cstddef>
#include <lua.hpp>

#include "server/sandbox/heap.h"

namespace errand::sandbox {

// The memory of a Lua state: a heap, with the limit of the script that runs.
//
// Lua 5.4.4 can be made to use memory after it was freed when an allocation fails (luaV_finishset), and
// pcall catches "not enough memory". So an allocation never fails: beyond the limit the run is abandoned. Not
// to end scripts that only made garbage, three quarters of the limit call for a full collection before the
// next instruction, an allocation may come at a moment when Lua cannot collect.
class Memory {
 public:
  // What belongs to the run; lies in the heap, to be restored with it.
  struct State {
    size_t limit = static_cast<size_t>(-1);
    size_t collect_at = static_cast<size_t>(-1);
    size_t peak = 0;
  };

  // Both are borrowed. The heap has the capacity of its region.
  Memory(Heap* heap, State* state) : heap_(heap), region_bytes_(heap->capacity()), state_(state) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // `bytes` count from an empty heap: what the libraries take is included.
  void SetLimit(size_t bytes);
  size_t peak() const { return state_->peak; }

  // As realloc and free, for what C++ code builds: it counts as the script's own. In a HostSection. Beyond
  // the limit the run is abandoned (interrupts.h), and the result is null.
  void* Reallocate(void* block, size_t size);
  void Free(void* block);

  // The same for code that cannot do without: where the run is abandoned, there is memory nevertheless.
  void* ReallocateAnyway(void* block, size_t size) { return Allocate(this, block, 0, size); }

  // To be told when the heap has become another without Allocate.
  void OnRestored() { touched_ = std::max(touched_, heap_->size()); }

  // What a run leaves mapped for the next, beyond the image.
  static constexpr size_t kKeptBytes = 4 << 20;

  // Gives memory that runs have used beyond the heap's first `kept` bytes back to the system.
  void Trim(size_t kept);

  // Makes what lies beyond the heap's end zero, as if nothing had run.
  void Clear();

  // A lua_Alloc; `memory` is a Memory.
  static void* Allocate(void* memory, void* block, size_t old_size, size_t new_size);

 private:
  void OnNearLimit(size_t wanted);
  static void Collect(lua_State* thread);

  Heap* const heap_;
  const size_t region_bytes_;
  State* const state_;
  size_t touched_ = 0;  // What lies beyond was never used, or given back: it is zero.
};

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_MEMORY_H_
