#ifndef ERRAND_SERVER_SANDBOX_HEAP_TEXT_H_
#define ERRAND_SERVER_SANDBOX_HEAP_TEXT_H_

#include <cstddef>
#include <string_view>

#include "server/sandbox/memory.h"

namespace errand::sandbox {

// Text that C++ code makes on the run's heap, where it counts for its limit; an output stream of RapidJSON.
// To live in a HostSection (interrupts.h). When there is no more memory the run is to be abandoned: what is
// put from then on is lost.
class HeapText {
 public:
  using Ch = char;

  // `memory` is borrowed.
  explicit HeapText(Memory* memory) : memory_(memory) {}
  ~HeapText() { memory_->Free(data_); }
  HeapText(const HeapText&) = delete;
  HeapText& operator=(const HeapText&) = delete;

  void Put(char c) {
    if (size_ == capacity_ && !Grow()) return;
    data_[size_++] = c;
  }
  void Flush() {}

  std::string_view view() const { return {data_, size_}; }

 private:
  static constexpr size_t kFirstBytes = 256;

  bool Grow() {
    const size_t capacity = capacity_ == 0 ? kFirstBytes : capacity_ + capacity_ / 2;
    void* const grown = memory_->Reallocate(data_, capacity);
    if (grown == nullptr) {
      size_ = 0;  // There is room again, for what is lost.
      return capacity_ > 0;
    }
    data_ = static_cast<char*>(grown);
    capacity_ = capacity;
    return true;
  }

  Memory* const memory_;
  char* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_HEAP_TEXT_H_
