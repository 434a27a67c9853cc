#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace errand::store {
namespace {

TEST(Recovery, ChangesThatNoStoreWroteAreRefusedOrMakeOneThatWorks) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 300; ++i) {
    std::string bytes(random() % 2000, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    // Every second time all fits together.
    if (i % 2 == 0 && !bytes.empty()) bytes[0] = static_cast<char>(i % 8 == 0 ? 1 : 0);
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
}

}  // namespace
}  // namespace errand::store
