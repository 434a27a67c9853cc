#include "server/sandbox/heap.h"

#include <bit>
#include <cstring>
#include <new>

namespace errand::sandbox {

Heap* Heap::Create(void* region, size_t capacity) {
  Heap* heap = new (region) Heap;
  heap->end_ = static_cast<uint32_t>((sizeof(Heap) + kUnit - 1) / kUnit);
  heap->set_capacity(capacity);
  return heap;
}

Heap::ListIndex Heap::ListOf(uint32_t units) {
  if (units < kDivisions) return {0, units};
  const uint32_t log = static_cast<uint32_t>(std::bit_width(units)) - 1;
  return {log - kDivisionBits + 1, (units >> (log - kDivisionBits)) & (kDivisions - 1)};
}

// The first list whose every block is large enough.
Heap::ListIndex Heap::ListForSearch(uint32_t units) {
  if (units >= kDivisions) {
    const uint32_t log = static_cast<uint32_t>(std::bit_width(units)) - 1;
    units += (1u << (log - kDivisionBits)) - 1;
  }
  return ListOf(units);
}

void* Heap::Allocate(size_t size) {
  if (size > capacity()) return nullptr;
  const uint32_t units = UnitsFor(size);
  Block* block = TakeFree(units);
  if (block == nullptr) block = Extend(units);
  if (block == nullptr) return nullptr;
  used_ += size_t{block->units()} * kUnit;
  return PayloadOf(block);
}

Heap::Block* Heap::TakeFree(uint32_t units) {
  ListIndex list = ListForSearch(units);
  if (list.level >= kLevels) return nullptr;
  uint32_t divisions = divisions_[list.level] & (~0u << list.division);
  if (divisions == 0) {
    const uint32_t levels = levels_ & ~((2u << list.level) - 1);
    if (levels == 0) return nullptr;
    list.level = static_cast<uint32_t>(std::countr_zero(levels));
    divisions = divisions_[list.level];
  }
  list.division = static_cast<uint32_t>(std::countr_zero(divisions));
  Block* block = At(lists_[list.level][list.division]);
  Unlink(block);
  block->Set(block->units(), false);
  Trim(block, units);
  return block;
}

Heap::Block* Heap::Extend(uint32_t units) {
  if (units > capacity_ - end_) return nullptr;
  Block* block = At(end_);
  block->Set(units, false);
  block->previous_units = last_units_;
  last_units_ = units;
  end_ += units;
  return block;
}

void Heap::Insert(Block* block) {
  const ListIndex list = ListOf(block->units());
  uint32_t& first = lists_[list.level][list.division];
  const uint32_t place = PlaceOf(block);
  block->Set(block->units(), true);
  block->next_free = first;
  block->previous_free = kNone;
  if (first != kNone) At(first)->previous_free = place;
  first = place;
  divisions_[list.level] = static_cast<uint16_t>(divisions_[list.level] | 1u << list.division);
  levels_ |= 1u << list.level;
}

void Heap::Unlink(Block* block) {
  if (block->next_free != kNone) At(block->next_free)->previous_free = block->previous_free;
  if (block->previous_free != kNone) {
    At(block->previous_free)->next_free = block->next_free;
    return;
  }
  const ListIndex list = ListOf(block->units());
  lists_[list.level][list.division] = block->next_free;
  if (block->next_free != kNone) return;
  divisions_[list.level] = static_cast<uint16_t>(divisions_[list.level] & ~(1u << list.division));
  if (divisions_[list.level] == 0) levels_ &= ~(1u << list.level);
}

void Heap::TellNext(uint32_t place, uint32_t units) {
  const uint32_t next = place + units;
  if (next == end_) {
    last_units_ = units;
  } else {
    At(next)->previous_units = units;
  }
}

// Makes `units` from `place` on free, together with free neighbours; at the end, the heap shrinks.
void Heap::Release(uint32_t place, uint32_t units) {
  Block* block = At(place);
  const uint32_t previous_units = block->previous_units;
  if (previous_units != 0) {
    if (Block* previous = At(place - previous_units); previous->is_free()) {
      Unlink(previous);
      place -= previous_units;
      units += previous_units;
      block = previous;
    }
  }
  if (place + units < end_) {
    if (Block* next = At(place + units); next->is_free()) {
      Unlink(next);
      units += next->units();
    }
  }
  if (place + units == end_) {
    end_ = place;
    last_units_ = block->previous_units;
    return;
  }
  block->Set(units, true);
  TellNext(place, units);
  Insert(block);
}

// Gives back what is beyond the first `units` of an allocated block.
void Heap::Trim(Block* block, uint32_t units) {
  const uint32_t rest = block->units() - units;
  if (rest == 0) return;
  const uint32_t place = PlaceOf(block);
  block->Set(units, false);
  Block* tail = At(place + units);
  tail->Set(rest, false);
  tail->previous_units = units;
  TellNext(place + units, rest);
  Release(place + units, rest);
}

void Heap::Free(void* payload) {
  Block* block = BlockOf(payload);
  used_ -= size_t{block->units()} * kUnit;
  Release(PlaceOf(block), block->units());
}

void* Heap::Resize(void* payload, size_t size) {
  if (size > capacity()) return nullptr;
  Block* block = BlockOf(payload);
  const uint32_t units = UnitsFor(size);
  const uint32_t before = block->units();
  const uint32_t place = PlaceOf(block);
  if (units <= before) {
    Trim(block, units);
    used_ -= size_t{before - units} * kUnit;
    return payload;
  }
  // Into what is free behind it, if that is enough.
  if (place + before == end_) {
    if (units - before > capacity_ - end_) return nullptr;
    block->Set(units, false);
    end_ = place + units;
    last_units_ = units;
    used_ += size_t{units - before} * kUnit;
    return payload;
  }
  Block* next = At(place + before);
  if (next->is_free() && before + next->units() >= units) {
    Unlink(next);
    const uint32_t joined = before + next->units();
    block->Set(joined, false);
    TellNext(place, joined);
    Trim(block, units);
    used_ += size_t{units - before} * kUnit;
    return payload;
  }
  void* moved = Allocate(size);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, payload, size_t{before} * kUnit - kHeaderBytes);
  Free(payload);
  return moved;
}

size_t Heap::BlockBytes(const void* payload) {
  return size_t{BlockOf(const_cast<void*>(payload))->units()} * kUnit;
}

size_t Heap::BlockBytesFor(size_t size) { return size_t{UnitsFor(size)} * kUnit; }

void Heap::Seal() {
  // They stay marked as free, so that they would be unlinked with a neighbour that is freed: mark them used.
  for (auto& level : lists_) {
    for (uint32_t& first : level) {
      while (first != kNone) {
        Block* block = At(first);
        first = block->next_free;
        block->Set(block->units(), false);
      }
    }
  }
  std::memset(divisions_, 0, sizeof divisions_);
  levels_ = 0;
}

}  // namespace errand::sandbox
