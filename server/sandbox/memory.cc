#include "server/sandbox/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "server/sandbox/capacity.h"
#include "server/sandbox/interrupts.h"

namespace errand::sandbox {
namespace {

constexpr size_t kPage = 4096;

}  // namespace

void Memory::SetLimit(size_t bytes) {
  state_->limit = bytes;
  state_->collect_at = bytes / 4 * 3;
  state_->peak = heap_->used();
  heap_->set_capacity(CapacityFor(bytes));
}

void* Memory::Reallocate(void* block, size_t size) {
  const size_t before = block == nullptr ? 0 : Heap::BlockBytes(block);
  const size_t after = Heap::BlockBytesFor(size);
  if (after > before && heap_->used() + (after - before) > state_->limit) {
    interrupts::Abandon(Ending::kMemoryExceeded);
    return nullptr;
  }
  return Allocate(this, block, 0, size);
}

void Memory::Free(void* block) {
  if (block != nullptr) heap_->Free(block);
}

void Memory::Trim(size_t kept) {
  if (touched_ <= kept) return;
  const size_t begin = (kept + kPage - 1) / kPage * kPage;
  if (touched_ <= begin) return;
  madvise(reinterpret_cast<char*>(heap_) + begin, touched_ - begin, MADV_DONTNEED);
  touched_ = begin;
}

void Memory::Clear() {
  const size_t end = heap_->size();
  Trim(end);
  if (touched_ > end) std::memset(reinterpret_cast<char*>(heap_) + end, 0, touched_ - end);
  touched_ = end;
}

void Memory::OnNearLimit(size_t wanted) {
  if (heap_->used() + wanted > state_->limit) {
    // Where it returns, in a HostSection, the heap has room for a little more.
    interrupts::Abandon(Ending::kMemoryExceeded);
    return;
  }
  interrupts::WishToCollect(&Memory::Collect);
}

void Memory::Collect(lua_State* thread) {
  void* memory;
  lua_getallocf(thread, &memory);
  const Memory& self = *static_cast<const Memory*>(memory);
  lua_gc(thread, LUA_GCCOLLECT);
  // A script that lives close to its limit does not collect at every step.
  State& state = *self.state_;
  state.collect_at = std::max(state.limit / 4 * 3, self.heap_->used() + state.limit / 16);
}

void* Memory::Allocate(void* memory, void* block, size_t, size_t new_size) {
  auto& self = *static_cast<Memory*>(memory);
  Heap& heap = *self.heap_;
  if (new_size == 0) {
    if (block != nullptr) heap.Free(block);
    return nullptr;
  }
  const size_t before = block == nullptr ? 0 : Heap::BlockBytes(block);
  const size_t after = Heap::BlockBytesFor(new_size);
  const size_t wanted = after > before ? after - before : 0;
  if (wanted > 0 && heap.used() + wanted > self.state_->collect_at) self.OnNearLimit(wanted);
  const auto take = [&] { return block == nullptr ? heap.Allocate(new_size) : heap.Resize(block, new_size); };
  void* result = take();
  if (result == nullptr) {
    interrupts::Abandon(Ending::kMemoryExceeded);
    // In a HostSection: the run goes on to its end.
    heap.set_capacity(self.region_bytes_);
    result = take();
    if (result == nullptr) _exit(kMemoryExceededStatus);
  }
  self.state_->peak = std::max(self.state_->peak, heap.used());
  self.touched_ = std::max(self.touched_, heap.size());
  return result;
}

}  // namespace errand::sandbox
