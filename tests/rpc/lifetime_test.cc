// How connections end that nobody ends, seen by a client that speaks bare HTTP/2.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "server/clock/instant.h"
#include "server/io/descriptor.h"
#include "server/rpc/guard/frame_parser.h"
#include "server/rpc/server.h"

namespace errand::rpc {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

class Lifetime : public ::testing::Test {
 protected:
  // Starts a server, and says hello to it.
  void Start(ServerOptions options) {
    options.listen = "127.0.0.1:0";
    options.unary_loops = 1;
    server_.emplace(options);
    const auto address = server_->Start();
    ASSERT_TRUE(address.ok());
    server_->Run();
    int port = 0;
    ASSERT_TRUE(absl::SimpleAtoi(address->substr(address->rfind(':') + 1), &port));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client_ = io::Descriptor(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(connect(client_.fd(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    Send(std::string(FrameParser::kPreface) + std::string("\0\0\0\4\0\0\0\0\0", 9));
  }
  ~Lifetime() override {
    client_.Close();
    if (server_.has_value()) server_->Shutdown(clock::Instant::Now() + absl::Milliseconds(100));
  }

  void Send(const std::string& bytes) {
    EXPECT_EQ(send(client_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  // Reads for so long, or to the end of the connection.
  void Read(absl::Duration patience) {
    for (const absl::Time until = absl::Now() + patience; !ended_ && absl::Now() < until;) {
      char buffer[4096];
      pollfd event{client_.fd(), POLLIN, 0};
      if (poll(&event, 1, static_cast<int>(absl::ToInt64Milliseconds(until - absl::Now())) + 1) <= 0)
        continue;
      const ssize_t size = recv(client_.fd(), buffer, sizeof buffer, 0);
      ended_ = size <= 0;
      for (absl::string_view bytes(buffer, static_cast<size_t>(std::max<ssize_t>(0, size)));
           !bytes.empty();) {
        const std::optional<Frame> frame = parser_.Next(bytes);
        if (frame.has_value()) seen_.push_back(frame->type);
      }
    }
  }
  bool Saw(FrameType type) const { return std::find(seen_.begin(), seen_.end(), type) != seen_.end(); }

  std::optional<Server> server_;
  io::Descriptor client_;
  FrameParser parser_{FrameParser::Side::kServer};
  std::vector<FrameType> seen_;
  bool ended_ = false;
};

TEST_F(Lifetime, APeerThatDoesNotAnswerPingsIsTakenForGone) {
  Start({.listen = "", .ping_after = absl::Seconds(1), .ping_timeout = absl::Seconds(1)});
  Read(kPatience);
  EXPECT_TRUE(Saw(FrameType::kPing));
  EXPECT_TRUE(ended_);
}

TEST_F(Lifetime, AConnectionWithoutCallsEndsWhenItHasBeenIdle) {
  Start({.listen = "", .max_connection_idle = absl::Seconds(1)});
  Read(absl::Seconds(10));
  EXPECT_TRUE(Saw(FrameType::kGoAway));
}

TEST_F(Lifetime, AConnectionThatIsOldIsToldToGo) {
  Start({.listen = "", .max_connection_age = absl::Seconds(1)});
  Read(absl::Seconds(10));
  EXPECT_TRUE(Saw(FrameType::kGoAway));
}

// gRPC's own answer to pings without calls is a GOAWAY, "too_many_pings", at the third.
TEST_F(Lifetime, ClientsMayPingEveryFewSecondsWithoutCalls) {
  Start({.listen = ""});
  for (int i = 0; i < 5; ++i) {
    Send(std::string("\0\0\x08\6\0\0\0\0\0ponypony", 17));
    Read(absl::Milliseconds(4'200));
  }
  EXPECT_TRUE(Saw(FrameType::kPing)) << "the answer";
  EXPECT_FALSE(Saw(FrameType::kGoAway));
  EXPECT_FALSE(ended_);
}

}  // namespace
}  // namespace errand::rpc
