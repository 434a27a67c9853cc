#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "server/config/config.h"
#include "server/config/machine.h"

namespace errand::config {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

std::variant<Config, Exit> ParseFlags(std::vector<const char*> flags,
                                      Machine machine = {4096 * kMiB, 3, 20'000}) {
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
  EXPECT_EQ(std::get<Config>(ParseFlags({}, {32 * kMiB, 1, 1024})).memory_limit, 64 * kMiB);
}

TEST(LuaWorkers, AreAsManyAsCpusMayBeUsedUnlessTold) {
  EXPECT_EQ(std::get<Config>(ParseFlags({})).lua_workers, 3);
  EXPECT_EQ(std::get<Config>(ParseFlags({"--lua_workers=8"})).lua_workers, 8);
}

TEST(MaxConnections, AreWhatDescriptorsAllowUnlessTold) {
  const auto config = std::get<Config>(ParseFlags({"--smtp_connections=44"}, {int64_t{1} << 40, 3, 20'000}));
  EXPECT_EQ(config.max_connections, 8'755) << "two and a quarter each, without 256 and those for mail";
  EXPECT_EQ(config.max_connections_per_address, 4'377) << "so that others get in beside one balancer";
}

TEST(MaxConnections, AreWhatMemoryAllowsUnlessTold) {
  EXPECT_EQ(std::get<Config>(ParseFlags({"--memory_limit=512MiB"})).max_connections, 2'048);
}

TEST(MaxConnections, AreAtLeastAFewWhereThereIsLittle) {
  EXPECT_EQ(std::get<Config>(ParseFlags({}, {int64_t{1} << 40, 3, 128})).max_connections, 16);
}

TEST(MaxConnections, AreAsTold) {
  const auto config = std::get<Config>(ParseFlags({"--max_connections=70000"}));
  EXPECT_EQ(config.max_connections, 70'000);
  EXPECT_EQ(config.max_connections_per_address, 35'000);
  EXPECT_EQ(std::get<Config>(ParseFlags({"--max_connections_per_address=7"})).max_connections_per_address, 7);
}

}  // namespace
}  // namespace errand::config
