#include "server/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "server/config/machine.h"

namespace errand::config {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

std::variant<Config, Exit> ParseFlags(std::vector<const char*> flags, Machine machine = {4096 * kMiB, 3}) {
  flags.insert(flags.begin(), "errandd");
  return Parse(static_cast<int>(flags.size()), flags.data(), machine);
}

TEST(MemoryLimit, IsThreeQuartersOfTheMachineUnlessTold) {
  EXPECT_EQ(std::get<Config>(ParseFlags({})).memory_limit, 3072 * kMiB);
  EXPECT_EQ(std::get<Config>(ParseFlags({"--memory_limit=512MiB"})).memory_limit, 512 * kMiB);
  EXPECT_EQ(std::get<Config>(ParseFlags({"--memory_limit=536870912"})).memory_limit, 512 * kMiB);
}

TEST(MemoryLimit, ANumberThatIsNoneOrTooSmallIsRefusedAndSaysWhatIsRight) {
  for (const char* flag : {"--memory_limit=some", "--memory_limit=63MiB", "--memory_limit=1.5GiB"}) {
    const auto parsed = ParseFlags({flag});
    ASSERT_TRUE(std::holds_alternative<Exit>(parsed)) << flag;
    EXPECT_EQ(std::get<Exit>(parsed).code, 2);
    EXPECT_THAT(std::get<Exit>(parsed).output, ::testing::HasSubstr("--memory_limit: must be"));
    EXPECT_THAT(std::get<Exit>(parsed).output, ::testing::HasSubstr("512MiB"));
  }
}

TEST(MemoryLimit, OfATinyMachineIsStillOneThatCouldBeSet) {
  EXPECT_EQ(std::get<Config>(ParseFlags({}, {32 * kMiB, 1})).memory_limit, 64 * kMiB);
}

TEST(LuaWorkers, AreAsManyAsCpusMayBeUsedUnlessTold) {
  EXPECT_EQ(std::get<Config>(ParseFlags({})).lua_workers, 3);
  EXPECT_EQ(std::get<Config>(ParseFlags({"--lua_workers=8"})).lua_workers, 8);
}

}  // namespace
}  // namespace errand::config
