#include "server/sandbox/image.h"

#include <bit>
#include <cstring>

namespace errand::sandbox {
namespace {

// A difference: u64 fingerprint of the image, then stretches of words (8 bytes) that are not as in the image:
//   varint words skipped since the end of the stretch before | varint words | the words, two by two:
//   u8 the lengths of both, the first in the lower half | the bytes of the first | of the second
// A length of 0 to 8 says how many bytes a word has, little-endian, that are not leading zeros; 9 to 12 says
// that it is a pointer into the heap, and that so many bytes less 8 of its offset follow. Most words are
// pointers.
constexpr size_t kWordBytes = sizeof(uint64_t);
constexpr unsigned kPointer = 8;
constexpr unsigned kMaxPointerBytes = 4;
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

unsigned BytesOf(uint64_t value) { return (static_cast<unsigned>(std::bit_width(value)) + 7) / 8; }

// Writes stretches, in order.
class Stretches {
 public:
  Stretches(const char* heap, std::string& out)
      : heap_(heap), address_(reinterpret_cast<uintptr_t>(heap)), out_(out) {}

  void Add(size_t begin, size_t end) {
    PutVarint(begin - last_end_, out_);
    PutVarint(end - begin, out_);
    for (size_t at = begin; at < end; at += 2) {
      // One store each, of more bytes than there may be.
      char bytes[1 + 2 * kWordBytes];
      char* next = bytes + 1;
      const unsigned first = PutWord(WordAt(heap_, at), next);
      const unsigned second = at + 1 < end ? PutWord(WordAt(heap_, at + 1), next) : 0;
      bytes[0] = static_cast<char>(first | second << 4);
      out_.append(bytes, static_cast<size_t>(next - bytes));
    }
    last_end_ = end;
  }

 private:
  unsigned PutWord(uint64_t word, char*& next) const {
    const uint64_t offset = word - address_;
    const bool is_pointer = offset <= UINT32_MAX && offset != 0;
    if (is_pointer) word = offset;
    const unsigned size = BytesOf(word);
    std::memcpy(next, &word, sizeof word);
    next += size;
    return is_pointer ? size + kPointer : size;
  }

  const char* const heap_;
  const uintptr_t address_;
  std::string& out_;
  size_t last_end_ = 0;
};

bool GetWord(unsigned length, uintptr_t address, std::string_view& bytes, uint64_t& word) {
  const bool is_pointer = length > kPointer;
  if (is_pointer) length -= kPointer;
  if (length > bytes.size() || (is_pointer && length > kMaxPointerBytes)) return false;
  word = 0;
  std::memcpy(&word, bytes.data(), length);
  bytes.remove_prefix(length);
  if (is_pointer) word += address;
  return true;
}

// Fills [words, words + count).
bool GetWords(std::string_view& bytes, uintptr_t address, char* words, size_t count) {
  unsigned lengths = 0;
  for (size_t i = 0; i < count; ++i) {
    if (i % 2 == 0) {
      if (bytes.empty()) return false;
      lengths = static_cast<unsigned char>(bytes.front());
      bytes.remove_prefix(1);
    }
    uint64_t word;
    if (!GetWord(lengths & 15, address, bytes, word)) return false;
    std::memcpy(words + i * kWordBytes, &word, sizeof word);
    lengths >>= 4;
  }
  return true;
}

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
    // What it will take is not known before: not much more, at the worst.
    fits = fits && out.size() <= limit && size <= 8 * max_bytes;
    if (fits) stretches.Add(offset / kWordBytes, (offset + size) / kWordBytes);
  });
  return fits && out.size() <= limit;
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
    if (skipped > words - at || count > words - at - skipped) return false;
    at += skipped;
    if (!GetWords(difference, reinterpret_cast<uintptr_t>(base), base + at * kWordBytes, count)) return false;
    at += count;
  }
  return true;
}

}  // namespace errand::sandbox
