// Clients that only connect, and one that has work to do.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "tests/end_to_end/server_process.h"
#include "tests/isolation/canary.h"
#include "tests/isolation/raw_connection.h"
#include "tests/isolation/server_figures.h"

namespace errand {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

// "Max open files": the soft and the hard limit.
std::vector<std::string> DescriptorLimits(pid_t pid) {
  std::ifstream limits(absl::StrCat("/proc/", pid, "/limits"));
  for (std::string line; std::getline(limits, line);) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (absl::StartsWith(line, "Max open files")) return {words[3], words[4]};
  }
  return {};
}

std::vector<RawConnection> Connect(const ServerProcess& server, int count) {
  std::vector<RawConnection> connections;
  for (int i = 0; i < count; ++i) connections.emplace_back(server.address());
  return connections;
}

// Leaves the server `count` descriptors more than it has open.
void LimitDescriptors(const ServerProcess& server, int count) {
  const auto limit = static_cast<rlim_t>(OpenDescriptors(server.pid()) + count);
  const rlimit both{limit, limit};
  ASSERT_EQ(prlimit(server.pid(), RLIMIT_NOFILE, &both, nullptr), 0);
}

TEST(Connections, TheSoftLimitOfDescriptorsIsRaisedToTheHardOne) {
  rlimit own{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &own), 0);
  const rlimit low{256, own.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  const ServerProcess server({"--lua_workers=1"});
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &own), 0);
  const auto limits = DescriptorLimits(server.pid());
  ASSERT_EQ(limits.size(), 2u);
  EXPECT_EQ(limits[0], limits[1]);
}

// gRPC's own listener stops for good at the first EMFILE.
TEST(Connections, TheListenerGoesOnAfterDescriptorsRanOut) {
  const ServerProcess server({"--lua_workers=1"});
  LimitDescriptors(server, 60);
  Canary canary(server);
  for (int round = 0; round < 3; ++round) {
    const auto idle = Connect(server, 300);
    // Longer than connections that say nothing are left alone.
    absl::SleepFor(absl::Milliseconds(700));
  }
  canary.Finish("out of descriptors");
}

TEST(Connections, IdleOnesDoNotKeepNewOnesOut) {
  const ServerProcess server({"--lua_workers=1", "--max_connections=40", "--max_connections_per_address=40"});
  Canary canary(server);
  const auto idle = Connect(server, 300);
  absl::SleepFor(absl::Seconds(1));
  canary.Finish("more connections than allowed");
  EXPECT_LT(OpenDescriptors(server.pid()), 200);
}

TEST(Connections, OneThatDoesNotSayWhatItSpeaksIsClosed) {
  const ServerProcess server({"--lua_workers=1"});
  RawConnection silent(server.address());
  RawConnection halfway(server.address());
  EXPECT_TRUE(halfway.Send("PRI * HTTP/2.0\r\n"));
  EXPECT_FALSE(silent.WaitForEnd(absl::Seconds(2))) << "it may be slow";
  EXPECT_TRUE(silent.WaitForEnd(kPatience));
  EXPECT_TRUE(halfway.WaitForEnd(kPatience));
}

TEST(Connections, AreGoneFromTheServerWhenTheirClientsAre) {
  const ServerProcess server({"--lua_workers=1"});
  const int64_t before = OpenDescriptors(server.pid());
  Connect(server, 200);
  const absl::Time start = absl::Now();
  while (OpenDescriptors(server.pid()) > before && absl::Now() - start < kPatience) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_LE(OpenDescriptors(server.pid()), before);
}

}  // namespace
}  // namespace errand
