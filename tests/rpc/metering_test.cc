// recvmsg, sendmsg and close of this program, which is linked as errandd is.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "server/rpc/guard/meter.h"
#include "server/rpc/guard/metered_sockets.h"

namespace errand::rpc {
namespace {

class MeteredSocketsTest : public ::testing::Test {
 protected:
  MeteredSocketsTest() {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets_), 0);
    MeteredSockets::Attach(sockets_[0], meter_);
  }
  ~MeteredSocketsTest() override {
    close(sockets_[0]);
    close(sockets_[1]);
  }

  // Sends `bytes` to the metered end and reads them there.
  ssize_t Pass(std::string bytes) {
    EXPECT_EQ(write(sockets_[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    iovec piece{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    return recvmsg(sockets_[0], &message, 0);
  }

  int sockets_[2];
  std::string why_;
  std::shared_ptr<Meter> meter_ =
      std::make_shared<Meter>(std::make_shared<Totals>(GuardLimits()), 1, Meter::Now(),
                              [this](absl::string_view why) { why_ = std::string(why); });
};

TEST_F(MeteredSocketsTest, ReadingIsSeenUntilTheSocketIsClosed) {
  EXPECT_FALSE(meter_->has_received());
  EXPECT_EQ(Pass("PRI * "), 6);
  EXPECT_TRUE(meter_->has_received());
  EXPECT_EQ(MeteredSockets::Find(sockets_[0]), meter_.get());
  close(sockets_[0]);
  EXPECT_EQ(MeteredSockets::Find(sockets_[0]), nullptr) << "the next one with this number is another";
  sockets_[0] = dup(sockets_[1]);
}

TEST_F(MeteredSocketsTest, AConnectionThatGoesTooFarReadsAsReset) {
  EXPECT_EQ(Pass(std::string(FrameParser::kPreface)), 24);
  std::string pings;
  for (int i = 0; i < 1000; ++i) pings += std::string("\0\0\x08\6\0\0\0\0\0ponypony", 17);
  EXPECT_EQ(Pass(pings), -1);
  EXPECT_EQ(errno, ECONNRESET);
  EXPECT_NE(why_, "");
  char byte;
  EXPECT_EQ(read(sockets_[1], &byte, 1), 0) << "the client sees the end";
}

}  // namespace
}  // namespace errand::rpc
