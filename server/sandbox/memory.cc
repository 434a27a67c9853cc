#include "server/sandbox/memory.h"

#include <algorithm>
#include <cstdlib>

namespace errand::sandbox {

void Memory::set_limit(size_t bytes) {
  limit_ = bytes;
  collect_at_ = bytes / 4 * 3;
}

void Memory::CheckRoomFor(size_t bytes) {
  if (used_ > limit_ || bytes > limit_ - used_) on_exceeded_(context_);
}

void* Memory::Allocate(void* memory, void* block, size_t old_size, size_t new_size) {
  auto& self = *static_cast<Memory*>(memory);
  if (block == nullptr) old_size = 0;  // Lua passes the kind of object then.
  if (new_size == 0) {
    self.used_ -= old_size;
    std::free(block);
    return nullptr;
  }
  if (new_size > old_size) {
    self.CheckRoomFor(new_size - old_size);
    if (self.used_ + (new_size - old_size) > self.collect_at_) self.CollectSoon();
  }
  void* moved = std::realloc(block, new_size);
  if (moved == nullptr) self.on_exceeded_(self.context_);
  self.used_ = self.used_ - old_size + new_size;
  self.peak_ = std::max(self.peak_, self.used_);
  return moved;
}

void Memory::CollectSoon() {
  if (running_ == nullptr || hooked_ == running_) return;
  hooked_ = running_;
  lua_sethook(running_, &Memory::Collect, LUA_MASKCOUNT, 1);
}

void Memory::Collect(lua_State* thread, lua_Debug*) {
  lua_sethook(thread, nullptr, 0, 0);
  void* memory;
  lua_getallocf(thread, &memory);
  auto& self = *static_cast<Memory*>(memory);
  // A thread that was started meanwhile has inherited the hook; one collection is enough.
  if (self.hooked_ == nullptr) return;
  self.hooked_ = nullptr;
  lua_gc(thread, LUA_GCCOLLECT);
  // A script that lives close to its limit does not collect at every step.
  self.collect_at_ = std::max(self.limit_ / 4 * 3, self.used_ + self.limit_ / 16);
}

}  // namespace errand::sandbox
