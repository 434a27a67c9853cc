// Messages that take more of the server than they give it, and a client that has work to do.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"
#include "tests/isolation/canary.h"
#include "tests/isolation/http2_bytes.h"
#include "tests/isolation/server_figures.h"
#include "tests/isolation/uploader.h"

namespace errand {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr absl::Duration kStill = absl::Milliseconds(500);

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryIsTheServers = false;  // Most of it is the sanitizer's.
#else
constexpr bool kMemoryIsTheServers = true;
#endif

// Prints what the server has taken at most, and holds it to `most`.
void ExpectPeak(const char* name, const PeakMemory& peak, int64_t most) {
  std::printf("%s: peak %.0f MiB\n", name, static_cast<double>(peak.bytes()) / kMiB);
  if (kMemoryIsTheServers) {
    EXPECT_LT(peak.bytes() / kMiB, most / kMiB);
  }
}

// The announcement of a message of 16 MiB, most of which comes.
TEST(Messages, ThatAreHalfSentAreBoundedOverAllConnections) {
  ServerProcess server({"--lua_workers=0", "--memory_limit=512MiB"});
  const PeakMemory peak(server.pid());
  Canary canary(server);
  // What follows stands for another machine, which has CPUs of its own.
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 19);
  const std::string announcement = std::string(1, '\0') + http2::BigEndian(16 << 20, 4);
  const std::string piece(64 << 10, 'x');
  constexpr int64_t kSent = (16 << 20) - 1000;
  std::vector<Uploader> uploaders;
  std::vector<int64_t> sent(40);  // -1: the server has ended the connection.
  for (size_t i = 0; i < sent.size(); ++i) {
    uploaders.emplace_back(server.address());
    EXPECT_TRUE(uploaders[i].Begin(1, "/errand.v1.Tasks/CreateTask"));
    uploaders[i].SendSome(1, announcement);
  }
  // Until the server takes no more: each is sent as far as its window goes, or cut.
  for (absl::Time last = absl::Now(); absl::Now() - last < kStill;) {
    for (size_t i = 0; i < sent.size(); ++i) {
      if (sent[i] < 0 || sent[i] >= kSent) continue;
      const size_t left = std::min(piece.size(), static_cast<size_t>(kSent - sent[i]));
      const int64_t some = uploaders[i].SendSome(1, absl::string_view(piece).substr(0, left));
      sent[i] = some < 0 || !uploaders[i].ReadFrames(absl::ZeroDuration()) ? -1 : sent[i] + some;
      if (some != 0) last = absl::Now();
    }
  }
  const auto cut = std::count(sent.begin(), sent.end(), -1);
  EXPECT_GE(cut, 20);
  canary.Finish("half-sent messages");
  ExpectPeak("half-sent messages", peak, 300 * kMiB);
}

// While others hold all that may be held, a message that comes at once is taken.
TEST(Messages, ThatAreWholeAreTakenBesideThoseThatNeverAre) {
  ServerProcess server({"--lua_workers=0", "--memory_limit=512MiB"});
  const std::string announcement = std::string(1, '\0') + http2::BigEndian(16 << 20, 4);
  std::vector<Uploader> slow;
  for (int i = 0; i < 200; ++i) {
    slow.emplace_back(server.address());
    EXPECT_TRUE(slow.back().Begin(1, "/errand.v1.Tasks/CreateTask"));
    slow.back().SendSome(1, announcement + std::string(60'000, 'x'));
  }
  for (int i = 0; i < 3; ++i) {
    v1::Task task;
    const grpc::Status status =
        Create(server.tasks(), LuaRequest("return 1", std::string(1 << 20, 'x')), &task);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
}

}  // namespace
}  // namespace errand
