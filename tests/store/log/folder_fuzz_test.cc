#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>

#include "tests/store/log/thinning.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace errand::store {
namespace {

TEST(Recovery, ADamagedFolderIsRefusedOrGivesTasksThatWereThere) {
  std::mt19937_64 random(13);
  LLVMFuzzerTestOneInput(nullptr, 0);
  for (int i = 0; i < 1'000 / kThinning; ++i) {
    std::string changes((1 + random() % 3) * 6, '\0');
    for (char& byte : changes) byte = static_cast<char>(random());
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(changes.data()), changes.size());
  }
}

}  // namespace
}  // namespace errand::store
