#ifndef ERRAND_SERVER_SANDBOX_HEAP_H_
#define ERRAND_SERVER_SANDBOX_HEAP_H_

#include <cstddef>
#include <cstdint>

namespace errand::sandbox {

// An allocator that lies, with everything it knows, at the start of the region of memory it manages: a copy
// of the region up to end() is a copy of all that was allocated, and writing it back takes everything back.
//
// Two-level segregated fit (Masmano, Ripoll, Crespo, Real: "TLSF", ECRTS 2004): free blocks are in lists by
// size, bitmaps say which lists are not empty, neighbours that are free are one block. So Allocate, Resize
// and Free take a constant time, but for copying, and memory that was given back serves any later size.
//
// Not for constructing by hand: see Create. One thread.
class Heap {
 public:
  // What a block costs beyond its payload.
  static constexpr size_t kHeaderBytes = 8;

  // Makes a heap of `region`, which must be aligned to 16, zero, and have room for it. `capacity` is what
  // the heap may grow to, itself included; memory beyond end() is not touched.
  static Heap* Create(void* region, size_t capacity);

  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  // `size` > 0 bytes, aligned to 8. Null when they would not fit into the capacity.
  void* Allocate(size_t size);

  // Frees what Allocate or Resize returned.
  void Free(void* payload);

  // As realloc, for `size` > 0. Null when it does not fit; then `payload` stays as it is.
  void* Resize(void* payload, size_t size);

  // What block `payload` takes, header included.
  static size_t BlockBytes(const void* payload);
  // What a block for `size` bytes would take.
  static size_t BlockBytesFor(size_t size);

  // Of all blocks that are allocated, headers included.
  size_t used() const { return used_; }

  // Everything lies in [this, end).
  const char* end() const { return Base() + size_t{end_} * kUnit; }
  size_t size() const { return size_t{end_} * kUnit; }
  size_t capacity() const { return size_t{capacity_} * kUnit; }
  void set_capacity(size_t bytes) { capacity_ = static_cast<uint32_t>(bytes / kUnit); }

  // Forgets the free blocks: nothing is allocated below end() from now on.
  void Seal();

  // Calls visit(offset, size) for each stretch of [from, size()) that has to be kept, in order: payloads of
  // free blocks are left out. `from` must be the offset of a block, or size().
  template <class Visit>
  void VisitKept(size_t from, Visit visit) const {
    uint32_t start = static_cast<uint32_t>(from / kUnit);
    for (uint32_t at = start; at < end_;) {
      const Block* block = At(at);
      const uint32_t next = at + block->units();
      if (block->is_free() && block->units() > 1) {
        visit(size_t{start} * kUnit, size_t{at + 1 - start} * kUnit);
        start = next;
      }
      at = next;
    }
    if (start < end_) visit(size_t{start} * kUnit, size_t{end_ - start} * kUnit);
  }

 private:
  // Sizes and places are in units of 16 bytes; a place is counted from the heap's own start.
  static constexpr size_t kUnit = 16;
  // Second level: each power of two of units is divided into 16; below 16 units there is a list a size.
  static constexpr uint32_t kDivisionBits = 4;
  static constexpr uint32_t kDivisions = 1 << kDivisionBits;
  static constexpr uint32_t kLevels = 25;  // Up to 2^28 units, 4 GiB.
  static constexpr uint32_t kNone = 0;     // No block is where the heap itself is.

  // Before each payload; the payload of a free block holds its links.
  struct Block {
    uint32_t units_and_free;
    uint32_t previous_units;  // Of the block just before this one; 0 of the first.
    uint32_t next_free;
    uint32_t previous_free;

    uint32_t units() const { return units_and_free >> 1; }
    bool is_free() const { return (units_and_free & 1) != 0; }
    void Set(uint32_t units, bool free) { units_and_free = units << 1 | (free ? 1 : 0); }
  };

  struct ListIndex {
    uint32_t level;
    uint32_t division;
  };

  Heap() = default;

  static uint32_t UnitsFor(size_t size) {
    return static_cast<uint32_t>((size + kHeaderBytes + kUnit - 1) / kUnit);
  }
  static ListIndex ListOf(uint32_t units);
  static ListIndex ListForSearch(uint32_t units);

  const char* Base() const { return reinterpret_cast<const char*>(this); }
  const Block* At(uint32_t place) const {
    return reinterpret_cast<const Block*>(Base() + size_t{place} * kUnit);
  }
  Block* At(uint32_t place) { return const_cast<Block*>(static_cast<const Heap*>(this)->At(place)); }
  uint32_t PlaceOf(const Block* block) const {
    return static_cast<uint32_t>((reinterpret_cast<const char*>(block) - Base()) / kUnit);
  }
  static Block* BlockOf(void* payload) {
    return reinterpret_cast<Block*>(static_cast<char*>(payload) - kHeaderBytes);
  }
  static void* PayloadOf(Block* block) { return reinterpret_cast<char*>(block) + kHeaderBytes; }

  Block* TakeFree(uint32_t units);
  Block* Extend(uint32_t units);
  void Insert(Block* block);
  void Unlink(Block* block);
  // Tells the neighbour after the block at `place` how large it is.
  void TellNext(uint32_t place, uint32_t units);
  void Release(uint32_t place, uint32_t units);
  void Trim(Block* block, uint32_t units);

  uint32_t end_ = 0;
  uint32_t capacity_ = 0;
  uint32_t last_units_ = 0;  // Of the block before end_; 0 when there is none.
  uint32_t levels_ = 0;      // A bit for each level that has a free block.
  size_t used_ = 0;
  uint16_t divisions_[kLevels] = {};
  uint32_t lists_[kLevels][kDivisions] = {};
};

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_HEAP_H_
