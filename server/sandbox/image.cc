#include "server/sandbox/image.h"

#include <cstring>

namespace errand::sandbox {
namespace {

// A difference: u64 fingerprint of the image, then stretches of words (8 bytes) that are not as in the image:
//   varint words skipped since the end of the stretch before | varint words | the words
constexpr size_t kWordBytes = sizeof(uint64_t);
// A stretch goes on over so many words that are equal: less than what a new one takes.
constexpr size_t kBridgedWords = 1;

// Not against an adversary: workers compile a script each on its own, and this tells whether they came to the
// same.
uint64_t Fingerprint(std::string_view bytes) {
  uint64_t hash = bytes.size();
  for (size_t at = 0; at + kWordBytes <= bytes.size(); at += kWordBytes) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 29;
  }
  return hash;
}

uint64_t WordAt(const char* bytes, size_t index) {
  uint64_t word;
  std::memcpy(&word, bytes + index * kWordBytes, sizeof word);
  return word;
}

void PutVarint(size_t value, std::string& out) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

bool GetVarint(std::string_view& bytes, size_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 63; shift += 7) {
    if (bytes.empty()) return false;
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= size_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

// Writes stretches, in order.
class Stretches {
 public:
  Stretches(const char* heap, std::string& out) : heap_(heap), out_(out) {}

  void Add(size_t begin, size_t end) {
    PutVarint(begin - last_end_, out_);
    PutVarint(end - begin, out_);
    out_.append(heap_ + begin * kWordBytes, (end - begin) * kWordBytes);
    last_end_ = end;
  }

 private:
  const char* const heap_;
  std::string& out_;
  size_t last_end_ = 0;
};

}  // namespace

Image::Image(Heap& heap) {
  heap.Seal();
  // Never freed, so that what is freed later does not become one with what lies behind the image.
  heap.Allocate(1);
  bytes_.assign(reinterpret_cast<const char*>(&heap), heap.size());
  fingerprint_ = Fingerprint(bytes_);
}

void Image::Restore(Heap& heap) const {
  std::memcpy(static_cast<void*>(&heap), bytes_.data(), bytes_.size());
}

bool Image::AppendDifference(const Heap& heap, size_t max_bytes, std::string& out) const {
  const size_t limit = out.size() + max_bytes;
  out.append(reinterpret_cast<const char*>(&fingerprint_), sizeof fingerprint_);
  const char* const now = reinterpret_cast<const char*>(&heap);
  const char* const then = bytes_.data();
  const size_t words = bytes_.size() / kWordBytes;
  Stretches stretches(now, out);
  for (size_t at = 0; at < words;) {
    constexpr size_t kBlock = 8;
    if (at + kBlock <= words &&
        std::memcmp(now + at * kWordBytes, then + at * kWordBytes, kBlock * kWordBytes) == 0) {
      at += kBlock;
      continue;
    }
    const size_t block_end = at + kBlock < words ? at + kBlock : words;
    while (at < block_end && WordAt(now, at) == WordAt(then, at)) ++at;
    if (at == block_end) continue;
    const size_t begin = at;
    size_t end = at + 1;
    for (size_t next = end; next < words && next <= end + kBridgedWords; ++next) {
      if (WordAt(now, next) != WordAt(then, next)) end = next + 1;
    }
    stretches.Add(begin, end);
    at = end;
  }
  bool fits = out.size() <= limit;
  heap.VisitKept(bytes_.size(), [&](size_t offset, size_t size) {
    fits = fits && out.size() + size <= limit;
    if (fits) stretches.Add(offset / kWordBytes, (offset + size) / kWordBytes);
  });
  return fits;
}

bool Image::Apply(std::string_view difference, Heap& heap) const {
  uint64_t fingerprint;
  if (difference.size() < sizeof fingerprint) return false;
  std::memcpy(&fingerprint, difference.data(), sizeof fingerprint);
  if (fingerprint != fingerprint_) return false;
  difference.remove_prefix(sizeof fingerprint);
  Restore(heap);
  char* const base = reinterpret_cast<char*>(&heap);
  const size_t words = heap.capacity() / kWordBytes;
  size_t at = 0;
  while (!difference.empty()) {
    size_t skipped;
    size_t count;
    if (!GetVarint(difference, skipped) || !GetVarint(difference, count)) return false;
    if (skipped > words - at || count > words - at - skipped || count > difference.size() / kWordBytes) {
      return false;
    }
    at += skipped;
    std::memcpy(base + at * kWordBytes, difference.data(), count * kWordBytes);
    difference.remove_prefix(count * kWordBytes);
    at += count;
  }
  return true;
}

}  // namespace errand::sandbox
