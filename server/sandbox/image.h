#ifndef ERRAND_SERVER_SANDBOX_IMAGE_H_
#define ERRAND_SERVER_SANDBOX_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/sandbox/heap.h"

namespace errand::sandbox {

// A copy of a heap and of all that lies in it, a Lua state for example: writing it back makes a fresh one.
//
// What became of the heap since can be said as the difference from the image. A difference holds pointers,
// into the heap, the program and its libraries: it fits heaps at the same address, in processes that were
// forked from one.
class Image {
 public:
  // Copies `heap` as it is. What is free in it now is not used again: the heap is sealed.
  explicit Image(Heap& heap);

  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  size_t size() const { return bytes_.size(); }

  // Makes `heap`, which must lie where the image's did, what it was.
  void Restore(Heap& heap) const;

  // Appends to `out` the difference between the heap and the image, unless it would take more than
  // `max_bytes`: then false, and `out` holds part of it.
  bool AppendDifference(const Heap& heap, size_t max_bytes, std::string& out) const;

  // Restores the image and changes it as the difference says. False when it is not one that was made from an
  // image of the same bytes; the heap must then be restored before it is used.
  bool Apply(std::string_view difference, Heap& heap) const;

 private:
  std::string bytes_;
  uint64_t fingerprint_;
};

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_IMAGE_H_
