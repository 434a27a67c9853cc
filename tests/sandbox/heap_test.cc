#include "server/sandbox/heap.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <map>
#include <random>
#include <string>

#include "server/sandbox/image.h"

namespace errand::sandbox {
namespace {

constexpr size_t kRegion = 8 << 20;

// A heap in memory of its own.
class HeapTest : public testing::Test {
 protected:
  HeapTest()
      : region_(mmap(nullptr, kRegion, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
        heap_(Heap::Create(region_, kRegion)),
        empty_(heap_->size()) {}
  ~HeapTest() override { munmap(region_, kRegion); }

  void* const region_;
  Heap* const heap_;
  const size_t empty_;
};

TEST_F(HeapTest, WhatIsFreedServesAnySize) {
  std::vector<void*> small;
  for (;;) {
    void* block = heap_->Allocate(40);
    if (block == nullptr) break;
    small.push_back(block);
  }
  EXPECT_GT(small.size(), kRegion / 100);
  EXPECT_EQ(heap_->Allocate(1 << 20), nullptr);
  // Every other one first, so that neighbours must become one.
  for (size_t i = 0; i < small.size(); i += 2) heap_->Free(small[i]);
  EXPECT_EQ(heap_->Allocate(1 << 20), nullptr);
  for (size_t i = 1; i < small.size(); i += 2) heap_->Free(small[i]);
  EXPECT_EQ(heap_->used(), 0u);
  EXPECT_EQ(heap_->size(), empty_);
  EXPECT_NE(heap_->Allocate(7 << 20), nullptr);
}

TEST_F(HeapTest, NothingLiesBeyondItsEnd) {
  void* block = heap_->Allocate(1000);
  EXPECT_LE(static_cast<char*>(block) + 1000, heap_->end());
  EXPECT_GE(heap_->used(), 1000u);
  EXPECT_EQ(Heap::BlockBytes(block), Heap::BlockBytesFor(1000));
  heap_->set_capacity(heap_->size());
  EXPECT_EQ(heap_->Allocate(1), nullptr);
  EXPECT_EQ(heap_->Resize(block, 2000), nullptr);
  EXPECT_EQ(heap_->Resize(block, 500), block);
}

TEST_F(HeapTest, RandomUseKeepsEveryBlockWhole) {
  std::mt19937 random(7);
  struct Known {
    size_t size;
    unsigned char fill;
  };
  std::map<unsigned char*, Known> blocks;
  const auto check = [](const unsigned char* block, size_t size, unsigned char fill) {
    for (size_t i = 0; i < size; ++i) ASSERT_EQ(block[i], fill);
  };
  const auto add = [&](void* memory, size_t size) {
    auto* const block = static_cast<unsigned char*>(memory);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(block) % 8, 0u);
    const auto next = blocks.lower_bound(block);
    if (next != blocks.end()) {
      ASSERT_LE(block + size, next->first);
    }
    if (next != blocks.begin()) {
      ASSERT_GE(block, std::prev(next)->first + std::prev(next)->second.size);
    }
    const auto fill = static_cast<unsigned char>(random());
    std::memset(block, fill, size);
    blocks[block] = {size, fill};
  };
  for (int i = 0; i < 200'000; ++i) {
    const size_t size = 1 + random() % (random() % 50 == 0 ? 20'000 : 200);
    if (blocks.empty() || random() % 3 == 0) {
      void* block = heap_->Allocate(size);
      if (block != nullptr) add(block, size);
      continue;
    }
    auto chosen = blocks.lower_bound(static_cast<unsigned char*>(region_) + random() % kRegion);
    if (chosen == blocks.end()) chosen = blocks.begin();
    auto [block, known] = *chosen;
    check(block, known.size, known.fill);
    if (random() % 2 == 0) {
      blocks.erase(chosen);
      heap_->Free(block);
      continue;
    }
    void* moved = heap_->Resize(block, size);
    if (moved == nullptr) continue;
    blocks.erase(chosen);
    check(static_cast<unsigned char*>(moved), std::min(size, known.size), known.fill);
    add(moved, size);
  }
  for (const auto& [block, known] : blocks) {
    check(block, known.size, known.fill);
    heap_->Free(block);
  }
  EXPECT_EQ(heap_->used(), 0u);
  EXPECT_EQ(heap_->size(), empty_);
}

// A heap with an image of it and some words that can be changed.
class ImageTest : public HeapTest {
 protected:
  ImageTest() {
    for (auto*& word : words_) {
      word = static_cast<uint64_t*>(heap_->Allocate(sizeof(uint64_t) * 10));
      std::memset(word, 1, sizeof(uint64_t) * 10);
    }
    heap_->Free(words_[50]);
    image_ = std::make_unique<Image>(*heap_);
  }

  std::string Difference() {
    std::string difference;
    EXPECT_TRUE(image_->AppendDifference(*heap_, 1 << 20, difference));
    return difference;
  }

  std::string Bytes() { return {static_cast<char*>(region_), heap_->size()}; }

  uint64_t* words_[100];
  std::unique_ptr<Image> image_;
};

TEST_F(ImageTest, RestoringTakesEverythingBack) {
  const std::string before = Bytes();
  for (int i = 0; i < 1000; ++i) std::memset(heap_->Allocate(100), 0xFF, 100);
  for (int i = 0; i < 50; ++i) heap_->Free(words_[i]);
  image_->Restore(*heap_);
  EXPECT_EQ(Bytes(), before);
}

TEST_F(ImageTest, ADifferenceSaysAllThatHasChanged) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    image_->Restore(*heap_);
    std::vector<void*> blocks;
    for (unsigned i = random() % 100; i > 0; --i) {
      const size_t size = 1 + random() % 500;
      blocks.push_back(heap_->Allocate(size));
      std::memset(blocks.back(), static_cast<int>(random()), size);
      if (random() % 2 == 0) std::memcpy(blocks.back(), &blocks.back(), std::min<size_t>(size, 8));
      if (random() % 3 == 0) {
        const size_t chosen = random() % blocks.size();
        heap_->Free(blocks[chosen]);
        blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(chosen));
      }
    }
    for (unsigned i = random() % 20; i > 0; --i) words_[random() % 50][random() % 10] = random();
    const std::string then = Bytes();
    const std::string difference = Difference();
    // As in another process: nothing of it is there.
    image_->Restore(*heap_);
    std::memset(static_cast<char*>(region_) + heap_->size(), 0xAA, kRegion - heap_->size());
    ASSERT_TRUE(image_->Apply(difference, *heap_));
    ASSERT_EQ(heap_->size(), then.size());
    // What is free need not be the same, but it can be used as before.
    for (void* block : blocks) {
      const size_t offset = static_cast<size_t>(static_cast<char*>(block) - static_cast<char*>(region_));
      const size_t size = Heap::BlockBytes(block) - Heap::kHeaderBytes;
      ASSERT_EQ(Bytes().substr(offset, size), then.substr(offset, size));
    }
    for (void* block : blocks) heap_->Free(block);
    ASSERT_EQ(heap_->size(), image_->size());
  }
}

TEST_F(ImageTest, ADifferenceIsShort) {
  const std::string none = Difference();
  EXPECT_LE(none.size(), 8u);
  words_[3][3] = 5;
  EXPECT_LE(Difference().size(), none.size() + 5);
  words_[4][0] = reinterpret_cast<uintptr_t>(words_[5]);
  EXPECT_LE(Difference().size(), none.size() + 11);
}

TEST_F(ImageTest, OneThatIsTooLargeIsRefused) {
  std::memset(heap_->Allocate(2 << 20), 0x5A, 2 << 20);
  std::string difference;
  EXPECT_FALSE(image_->AppendDifference(*heap_, 1 << 20, difference));
}

TEST_F(ImageTest, ADifferenceFromAnotherImageIsRefused) {
  words_[3][3] = 5;
  const Image other(*heap_);
  const std::string difference = Difference();
  EXPECT_FALSE(other.Apply(difference, *heap_));
  EXPECT_FALSE(image_->Apply("", *heap_));
}

TEST_F(ImageTest, DamagedDifferencesStayWithinTheHeap) {
  std::memset(heap_->Allocate(3000), 0x5A, 3000);
  const std::string whole = Difference();
  heap_->set_capacity(kRegion / 2);
  image_->Restore(*heap_);
  char* const beyond = static_cast<char*>(region_) + kRegion / 2;
  std::mt19937 random(5);
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = whole;
    for (unsigned n = random() % 4; n > 0; --n)
      damaged[8 + random() % (damaged.size() - 8)] = static_cast<char>(random());
    if (random() % 2 == 0) damaged.resize(random() % damaged.size());
    image_->Apply(damaged, *heap_);
    image_->Restore(*heap_);
    heap_->set_capacity(kRegion / 2);
  }
  for (size_t at = 0; at < kRegion / 2; ++at) ASSERT_EQ(beyond[at], 0) << at;
}

}  // namespace
}  // namespace errand::sandbox
