// Messages that take more of the server than they give it, and a client that has work to do.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
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
  ServerProcess server({"--lua_workers=1", "--memory_limit=512MiB"});
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
  ServerProcess server({"--lua_workers=1", "--memory_limit=512MiB"});
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

// `bytes` zeros, as gzip writes them.
std::string GzipOfZeros(size_t bytes) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string zeros(1 << 20, '\0');
  std::string compressed(bytes / 500 + 1000, '\0');
  stream.next_out = reinterpret_cast<Bytef*>(compressed.data());
  stream.avail_out = static_cast<uInt>(compressed.size());
  for (size_t left = bytes; left > 0; left -= std::min(left, zeros.size())) {
    stream.next_in = reinterpret_cast<Bytef*>(zeros.data());
    stream.avail_in = static_cast<uInt>(std::min(left, zeros.size()));
    EXPECT_EQ(deflate(&stream, Z_NO_FLUSH), Z_OK);
  }
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  compressed.resize(stream.total_out);
  deflateEnd(&stream);
  return compressed;
}

// Sends `message`, compressed, on `streams` calls of one connection at once; the server may answer or end it.
void SendCompressed(const ServerProcess& server, const std::string& message, uint32_t streams) {
  Uploader uploader(server.address());
  const std::string header =
      std::string(1, '\0') + http2::HpackString("grpc-encoding") + http2::HpackString("gzip");
  const std::string bytes =
      std::string(1, '\1') + http2::BigEndian(static_cast<uint32_t>(message.size()), 4) + message;
  std::vector<size_t> sent(streams);
  for (uint32_t i = 0; i < streams; ++i) uploader.Begin(2 * i + 1, "/errand.v1.Tasks/CreateTask", header);
  for (absl::Time last = absl::Now(); absl::Now() - last < kStill;) {
    for (uint32_t i = 0; i < streams; ++i) {
      const int64_t some = uploader.SendSome(2 * i + 1, absl::string_view(bytes).substr(sent[i]));
      if (some < 0) return;
      if (some > 0) last = absl::Now();
      sent[i] += static_cast<size_t>(some);
    }
    if (!uploader.ReadFrames(absl::ZeroDuration())) return;
  }
}

TEST(Messages, ThatInflateToMuchMoreThanAMessageMayBeAreNotInflated) {
  ServerProcess server({"--lua_workers=1", "--memory_limit=512MiB"});
  const PeakMemory peak(server.pid());
  Canary canary(server);
  SendCompressed(server, GzipOfZeros(size_t{512} << 20), 4);
  canary.Finish("half a megabyte of gzip that becomes 512 MiB");
  ExpectPeak("half a megabyte of gzip that becomes 512 MiB", peak, 200 * kMiB);
}

TEST(Messages, ThatInflateAreBoundedOverAllCalls) {
  ServerProcess server({"--lua_workers=1", "--memory_limit=512MiB"});
  const PeakMemory peak(server.pid());
  Canary canary(server);
  const std::string message = GzipOfZeros(15 << 20);
  for (int i = 0; i < 3; ++i) SendCompressed(server, message, 200);
  canary.Finish("600 messages of gzip that become 15 MiB each");
  ExpectPeak("600 messages of gzip that become 15 MiB each", peak, 400 * kMiB);
}

TEST(Messages, OfClientsThatCompressAreTaken) {
  ServerProcess server({"--lua_workers=1"});
  for (const grpc_compression_algorithm algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    grpc::ClientContext context;
    SetTestDeadline(context);
    context.set_compression_algorithm(algorithm);
    std::string payload;
    for (int i = 0; payload.size() < (1 << 19); ++i)
      payload += absl::StrCat("a line of text, the ", i, "th\n");
    v1::CreateTaskResponse response;
    const grpc::Status status =
        server.tasks().CreateTask(&context, LuaRequest("return 1", payload), &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    v1::Task task;
    EXPECT_TRUE(Get(server.tasks(), response.task().name(), &task).ok());
    EXPECT_EQ(task.lua().text(), payload);
  }
}

TEST(Messages, WithMoreMetadataThanAllowedAreRefused) {
  ServerProcess server({"--lua_workers=1"});
  for (const size_t bytes : {size_t{6} << 10, size_t{12} << 10}) {
    grpc::ClientContext context;
    SetTestDeadline(context);
    context.AddMetadata("x-long", std::string(bytes, 'x'));
    v1::CreateTaskResponse response;
    const grpc::Status status = server.tasks().CreateTask(&context, LuaRequest("return 1"), &response);
    EXPECT_EQ(status.error_code(),
              bytes < (8 << 10) ? grpc::StatusCode::OK : grpc::StatusCode::RESOURCE_EXHAUSTED)
        << status.error_message();
  }
}

}  // namespace
}  // namespace errand
