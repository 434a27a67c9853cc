// Clients that send what gRPC 1.51 does not bound, and one that has work to do. ERRAND_FLOOD_SECONDS is how
// long each flood lasts.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "errand/v1/tasks.pb.h"
#include "tests/end_to_end/server_process.h"
#include "tests/isolation/canary.h"
#include "tests/isolation/http2_bytes.h"
#include "tests/isolation/raw_connection.h"
#include "tests/isolation/server_figures.h"

namespace errand {
namespace {

using http2::CallHeaders;
using http2::Frame;

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kMemoryLimit = 512 * kMiB;
constexpr absl::Duration kBackToIdle = absl::Seconds(30);

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryIsTheServers = false;  // Most of it is the sanitizer's.
#else
constexpr bool kMemoryIsTheServers = true;
#endif

absl::Duration FloodTime() {
  const char* seconds = std::getenv("ERRAND_FLOOD_SECONDS");
  int number = 0;
  return seconds != nullptr && absl::SimpleAtoi(seconds, &number) ? absl::Seconds(number)
                                                                  : absl::Milliseconds(1500);
}

// What one connection sends after its hello, piece by piece, until the server ends it; then it does so again.
struct Flood {
  const char* name;
  // Makes the next piece; `piece` counts them, a connection.
  std::function<std::string(uint32_t piece)> next;
  uint32_t pieces = 0;  // Then the client ends the connection itself; 0: never.
};

void PrintTo(const Flood& flood, std::ostream* out) { *out << flood.name; }

// Streams that begin and are reset at once, 100 a piece.
std::function<std::string(uint32_t)> Resets(std::string path, std::string message) {
  return [path = std::move(path), message = std::move(message)](uint32_t piece) {
    std::string bytes;
    for (uint32_t i = 0; i < 100; ++i) {
      const uint32_t stream = 2 * (100 * piece + i) + 1;
      bytes += Frame(http2::kHeaders, http2::kEndHeaders, stream, CallHeaders(path));
      if (!message.empty()) bytes += Frame(http2::kData, http2::kEndStream, stream, http2::Message(message));
      bytes += Frame(http2::kRstStream, 0, stream, http2::BigEndian(8, 4));
    }
    return bytes;
  };
}

// Headers of a call that stays open, and then the same frames all the time.
std::function<std::string(uint32_t)> OnAStream(std::string frames) {
  const auto many = std::make_shared<std::string>();
  while (many->size() < 32'000) *many += frames;
  return [many](uint32_t piece) {
    if (piece > 0) return *many;
    return Frame(http2::kHeaders, http2::kEndHeaders, 1, CallHeaders("/errand.v1.Tasks/SubmitTasks"));
  };
}

// A header block that does not end, after `begin`.
std::function<std::string(uint32_t)> EndlessHeaders(std::string begin, std::string part) {
  return [begin = std::move(begin), part = std::move(part)](uint32_t piece) {
    if (piece == 0) return Frame(http2::kHeaders, 0, 1, CallHeaders("/errand.v1.Tasks/GetTask", begin));
    return Frame(http2::kContinuation, 0, 1, part);
  };
}

std::string WatchRequest() {
  v1::WatchQueueRequest request;
  request.set_parent("queues/flood");
  return request.SerializeAsString();
}

std::vector<Flood> Floods() {
  const std::string literal = std::string("\x00\x01x", 3) + '\x7f' + http2::HpackRest(16'000 - 127);
  const std::string referred =
      std::string("\x40\x01x\x7f", 4) + http2::HpackRest(3'900 - 127) + std::string(3'900, 'v');
  return {
      {"ResetsOfWatches", Resets("/errand.v1.Tasks/WatchQueue", WatchRequest())},
      {"ResetsOfCallsWithoutAMessage", Resets("/errand.v1.Tasks/CreateTask", "")},
      {"ResetsOfMethodsThatAreNotThere", Resets("/errand.v1.Tasks/Nothing", "")},
      {"ResetsOverManyConnections", Resets("/errand.v1.Tasks/WatchQueue", WatchRequest()), 5},
      {"StreamsThatTheServerHasToReset",
       [](uint32_t piece) {
         std::string bytes;
         for (uint32_t i = 0; i < 100; ++i) {
           const uint32_t stream = 2 * (100 * piece + i) + 1;
           bytes +=
               Frame(http2::kHeaders, http2::kEndHeaders, stream, CallHeaders("/errand.v1.Tasks/WatchQueue"));
           bytes += Frame(http2::kData, http2::kEndStream, stream, "\x05garbage that is no message");
         }
         return bytes;
       }},
      {"StreamsThatStayOpen",
       [](uint32_t piece) {
         std::string bytes;
         for (uint32_t i = 0; i < 100; ++i) {
           bytes += Frame(http2::kHeaders, http2::kEndHeaders, 2 * (100 * piece + i) + 1,
                          CallHeaders("/errand.v1.Tasks/CreateTask"));
         }
         return bytes;
       }},
      {"HeadersWithoutEndInSmallFrames", EndlessHeaders("", std::string("\x00\x01x\x01v", 5))},
      {"HeadersWithoutEndInLargeFrames", EndlessHeaders("", literal + std::string(16'000, 'v'))},
      {"HeadersWithoutEndThatAreEmpty", EndlessHeaders("", "")},
      {"AHeaderOfAGigabyte",
       EndlessHeaders(std::string("\x00\x05x-big\x7f", 8) + http2::HpackRest(1500 << 20),
                      std::string(16'384, 'v'))},
      {"ANumberWithoutEnd", EndlessHeaders(std::string("\x00\x7f", 2), std::string(16'384, '\x80'))},
      {"HeadersThatReferToALongOne",
       [referred](uint32_t piece) {
         const std::string again(8'000, '\xbe');
         return Frame(http2::kHeaders, http2::kEndHeaders, 2 * piece + 1,
                      CallHeaders("/errand.v1.Tasks/GetTask", piece == 0 ? referred + again : again));
       }},
      {"Pings", OnAStream(Frame(http2::kPing, 0, 0, "12345678"))},
      {"Settings", OnAStream(Frame(http2::kSettings, 0, 0))},
      {"LongSettings",
       OnAStream(Frame(http2::kSettings, 0, 0, std::string("\0\3\0\0\0\x64\0\4\0\0\xff\xff", 12)))},
      {"Priorities", OnAStream(Frame(http2::kPriority, 0, 1, std::string(5, '\0')))},
      {"WindowUpdates", OnAStream(Frame(http2::kWindowUpdate, 0, 0, http2::BigEndian(1, 4)))},
      {"WindowUpdatesOfAStream", OnAStream(Frame(http2::kWindowUpdate, 0, 1, http2::BigEndian(1, 4)))},
      {"EmptyData", OnAStream(Frame(http2::kData, 0, 1))},
      {"DataOfOneByte", OnAStream(Frame(http2::kData, 0, 1, std::string(1, '\0')))},
      {"DataThatIsPadding", OnAStream(Frame(http2::kData, http2::kPadded, 1, std::string("\x03\0\0\0", 4)))},
      {"FramesOfUnknownTypes", OnAStream(Frame(77, 0, 1, "?"))},
      {"ResetsOfNoStream", OnAStream(Frame(http2::kRstStream, 0, 1, http2::BigEndian(8, 4)))},
      {"ConnectionsThatEndAtOnce", [](uint32_t) { return Frame(http2::kPing, 0, 0, "12345678"); }, 1},
  };
}

void Attack(const ServerProcess& server, const Flood& flood, const std::atomic<bool>& stop,
            std::atomic<int>& ended, std::atomic<int64_t>& bytes) {
  // It stands for another machine, which has CPUs of its own.
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 19);
  while (!stop.load()) {
    RawConnection connection(server.address());
    if (!connection.is_open() || !connection.Send(http2::Hello())) continue;
    for (uint32_t piece = 0; !stop.load() && (flood.pieces == 0 || piece < flood.pieces); ++piece) {
      const std::string next = flood.next(piece);
      if (!connection.Send(next)) {
        ++ended;
        break;
      }
      bytes += static_cast<int64_t>(next.size());
    }
  }
}

void ExpectIdle(const ServerProcess& server, int64_t descriptors, int64_t memory) {
  const absl::Time start = absl::Now();
  const auto is_idle = [&] {
    return OpenDescriptors(server.pid()) <= descriptors &&
           (!kMemoryIsTheServers || ResidentBytes(server.pid()) <= memory + 48 * kMiB);
  };
  while (!is_idle() && absl::Now() - start < kBackToIdle) absl::SleepFor(absl::Milliseconds(20));
  EXPECT_LE(OpenDescriptors(server.pid()), descriptors);
  if (kMemoryIsTheServers) {
    EXPECT_LE(ResidentBytes(server.pid()) / kMiB, memory / kMiB + 48);
  }
}

class FloodTest : public ::testing::TestWithParam<Flood> {};

TEST_P(FloodTest, OfOneClientDoesNotReachTheOthers) {
  const Flood& flood = GetParam();
  ServerProcess server({"--lua_workers=1", "--memory_limit=512MiB"});
  Canary(server).Finish("idle");
  const int64_t idle_descriptors = OpenDescriptors(server.pid());
  const int64_t idle_memory = ResidentBytes(server.pid());

  std::atomic<bool> stop{false};
  std::atomic<int> ended{0};
  std::atomic<int64_t> bytes{0};
  {
    const PeakMemory peak(server.pid());
    Canary canary(server);
    std::vector<std::thread> attackers;
    for (int i = 0; i < 4; ++i) attackers.emplace_back([&] { Attack(server, flood, stop, ended, bytes); });
    absl::SleepFor(FloodTime());
    stop.store(true);
    for (std::thread& attacker : attackers) attacker.join();
    canary.Finish(flood.name);
    std::printf("%s: %d connections cut, %.1f MiB taken, peak %.0f MiB, %.0f MiB when idle\n", flood.name,
                ended.load(), static_cast<double>(bytes.load()) / kMiB,
                static_cast<double>(peak.bytes()) / kMiB, static_cast<double>(idle_memory) / kMiB);
    if (kMemoryIsTheServers) {
      EXPECT_LT(peak.bytes() / kMiB, kMemoryLimit / kMiB);
    }
  }
  ExpectIdle(server, idle_descriptors, idle_memory);
  EXPECT_EQ(server.Stop(), 0);
}

INSTANTIATE_TEST_SUITE_P(All, FloodTest, ::testing::ValuesIn(Floods()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace errand
