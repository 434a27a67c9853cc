#include "server/rpc/acceptor.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/types/span.h"
#include "server/io/descriptor.h"
#include "server/rpc/listen_sockets.h"
#include "server/rpc/peer_address.h"

namespace errand::rpc {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

sockaddr_in Loopback(int port, const char* host = "127.0.0.1") {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, host, &address.sin_addr);
  return address;
}

io::Descriptor Connect(int port, const char* source = "127.0.0.1") {
  io::Descriptor client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in from = Loopback(0, source);
  EXPECT_EQ(bind(client.fd(), reinterpret_cast<const sockaddr*>(&from), sizeof from), 0);
  const sockaddr_in to = Loopback(port);
  EXPECT_EQ(connect(client.fd(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  return client;
}

io::Descriptor ConnectAndSpeak(int port, const char* source = "127.0.0.1") {
  io::Descriptor client = Connect(port, source);
  EXPECT_EQ(send(client.fd(), "PRI", 3, MSG_NOSIGNAL), 3);
  return client;
}

// True when the other side has ended the connection, or does within `patience`.
bool Ends(const io::Descriptor& client, absl::Duration patience) {
  char bytes[16];
  pollfd event{client.fd(), POLLIN, 0};
  do {
    if (poll(&event, 1, static_cast<int>(absl::ToInt64Milliseconds(patience))) <= 0) return false;
  } while (recv(client.fd(), bytes, sizeof bytes, MSG_DONTWAIT) > 0);
  return true;
}

size_t OpenDescriptors() {
  const std::filesystem::directory_iterator open("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(open), end(open)));
}

// Keeps what is handed over; shuts it down and closes it when it has ended, as gRPC does.
class Taker {
 public:
  explicit Taker(Connections::Limits limits) {
    absl::StatusOr<ListenSockets> listening = Listen("127.0.0.1:0");
    EXPECT_TRUE(listening.ok());
    port_ = listening->port;
    acceptor_.emplace(*std::move(listening), limits, GuardLimits(), [this](int socket) {
      absl::MutexLock lock(&mu_);
      ++taken_;
      sockets_.emplace_back(socket);
    });
  }

  int port() const { return port_; }
  Acceptor& acceptor() { return *acceptor_; }
  int taken() {
    absl::MutexLock lock(&mu_);
    return taken_;
  }
  // Closes what has been shut down.
  void CloseEnded() {
    absl::MutexLock lock(&mu_);
    std::erase_if(sockets_, [](const io::Descriptor& socket) {
      return Ends(socket, absl::ZeroDuration()) && shutdown(socket.fd(), SHUT_RDWR) <= 0;
    });
  }
  // Connects, speaks, and waits until the connection is taken; `busy` say something all the time.
  io::Descriptor ConnectUntilTaken(const char* source = "127.0.0.1",
                                   absl::Span<const io::Descriptor> busy = {}) {
    const int before = taken();
    io::Descriptor client = ConnectAndSpeak(port_, source);
    for (const absl::Time start = absl::Now(); taken() == before && absl::Now() - start < kPatience;) {
      for (const io::Descriptor& other : busy) EXPECT_EQ(send(other.fd(), "!", 1, MSG_NOSIGNAL), 1);
      absl::SleepFor(absl::Milliseconds(1));
    }
    EXPECT_GT(taken(), before);
    return client;
  }

 private:
  int port_ = 0;
  absl::Mutex mu_;
  int taken_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<io::Descriptor> sockets_ ABSL_GUARDED_BY(mu_);
  std::optional<Acceptor> acceptor_;
};

PeerAddress Peer(const std::string& host, int port) {
  sockaddr_storage storage{};
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<uint16_t>(port));
  } else {
    v4 = Loopback(port, host.c_str());
  }
  return PeerAddress(storage);
}

TEST(PeerAddress, IsWrittenAsGrpcDoes) {
  EXPECT_EQ(Peer("192.0.2.1", 50000).ToString(), "192.0.2.1:50000");
  EXPECT_EQ(Peer("::ffff:192.0.2.1", 1).ToString(), "192.0.2.1:1");
  EXPECT_EQ(Peer("2001:db8::1", 50000).ToString(), "[2001:db8::1]:50000");
}

TEST(PeerAddress, IsCountedByAddressOrByHalfAnAddressOfIpv6) {
  EXPECT_EQ(Peer("192.0.2.1", 1).network(), Peer("192.0.2.1", 2).network());
  EXPECT_EQ(Peer("192.0.2.1", 1).network(), Peer("::ffff:192.0.2.1", 1).network());
  EXPECT_NE(Peer("192.0.2.1", 1).network(), Peer("192.0.2.2", 1).network());
  EXPECT_EQ(Peer("2001:db8:0:1::1", 1).network(), Peer("2001:db8:0:1:ffff::2", 1).network());
  EXPECT_NE(Peer("2001:db8:0:1::1", 1).network(), Peer("2001:db8:0:2::1", 1).network());
}

TEST(Listen, BindsEveryAddressOfANameAtOnePort) {
  const auto listening = Listen("localhost:0");
  ASSERT_TRUE(listening.ok());
  EXPECT_GE(listening->sockets.size(), 1u);
  EXPECT_GT(listening->port, 0);
  EXPECT_TRUE(Connect(listening->port).is_open());
}

TEST(Listen, TheWildcardOfIpv6TakesIpv4AsWell) {
  for (const char* address : {"[::]:0", ":::0"}) {
    const auto listening = Listen(address);
    if (!listening.ok()) GTEST_SKIP() << "no IPv6 here";
    EXPECT_TRUE(Connect(listening->port).is_open()) << address;
  }
}

TEST(Listen, AnAddressThatIsInUseOrNotHereOrUnknownIsRefused) {
  const auto first = Listen("127.0.0.1:0");
  ASSERT_TRUE(first.ok());
  const std::string port = std::to_string(first->port);
  for (const std::string& address : {"127.0.0.1:" + port, "localhost:" + port, std::string("192.0.2.1:0"),
                                     std::string("no-such-host.invalid:0")}) {
    const auto second = Listen(address);
    ASSERT_FALSE(second.ok()) << address;
    EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(second.status().message(), "the address is in use, not this machine's, or not allowed");
  }
}

TEST(Acceptor, HandsOverEveryConnectionWithoutNagleDelay) {
  absl::StatusOr<ListenSockets> listening = Listen("127.0.0.1:0");
  ASSERT_TRUE(listening.ok());
  const int port = listening->port;
  absl::Mutex mu;
  int count = 0;
  Acceptor acceptor(*std::move(listening), {100, 100}, GuardLimits(), [&](int socket) {
    int value = 0;
    socklen_t size = sizeof value;
    EXPECT_EQ(getsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
    EXPECT_NE(value, 0);
    close(socket);
    absl::MutexLock lock(&mu);
    ++count;
  });
  std::vector<io::Descriptor> clients;
  for (int i = 0; i < 80; ++i) clients.push_back(ConnectAndSpeak(port));
  absl::MutexLock lock(&mu);
  const auto all = [&] { return count == 80; };
  EXPECT_TRUE(mu.AwaitWithTimeout(absl::Condition(&all), kPatience));
}

TEST(Acceptor, ANewcomerTakesThePlaceOfTheIdlestWhenThereAreTooMany) {
  Taker taker({.all = 4, .per_network = 100});
  const io::Descriptor idle = taker.ConnectUntilTaken();
  std::vector<io::Descriptor> busy;
  for (int i = 0; i < 3; ++i) busy.push_back(taker.ConnectUntilTaken());
  const io::Descriptor newcomer = taker.ConnectUntilTaken("127.0.0.1", busy);
  EXPECT_TRUE(Ends(idle, kPatience));
  for (const io::Descriptor& client : busy) EXPECT_FALSE(Ends(client, absl::ZeroDuration()));
  EXPECT_FALSE(Ends(newcomer, absl::ZeroDuration()));
}

TEST(Acceptor, ThoseThatSayNothingTakeNobodysPlace) {
  Taker taker({.all = 4, .per_network = 4});
  std::vector<io::Descriptor> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(taker.ConnectUntilTaken());
  std::vector<io::Descriptor> silent;
  for (int i = 0; i < 200; ++i) silent.push_back(Connect(taker.port()));
  EXPECT_TRUE(Ends(silent[0], kPatience)) << "where there are too many, the first of them goes";
  for (const io::Descriptor& client : clients) EXPECT_FALSE(Ends(client, absl::ZeroDuration()));
  EXPECT_EQ(taker.taken(), 4);
}

TEST(Acceptor, OneAddressCannotTakeThePlacesOfOthers) {
  Taker taker({.all = 100, .per_network = 3});
  const io::Descriptor other = taker.ConnectUntilTaken("127.0.0.2");
  const io::Descriptor idle = taker.ConnectUntilTaken();
  std::vector<io::Descriptor> busy;
  for (int i = 0; i < 2; ++i) busy.push_back(taker.ConnectUntilTaken());
  const io::Descriptor newcomer = taker.ConnectUntilTaken("127.0.0.1", busy);
  EXPECT_TRUE(Ends(idle, kPatience)) << "its own address makes room";
  EXPECT_FALSE(Ends(other, absl::ZeroDuration())) << "though it has been idle for longer";
  EXPECT_FALSE(Ends(taker.ConnectUntilTaken("127.0.0.3"), absl::ZeroDuration()));
}

TEST(Acceptor, WhereAllPlacesAreTakenThoseWithTheMostMakeRoom) {
  Taker taker({.all = 4, .per_network = 100});
  const io::Descriptor other = taker.ConnectUntilTaken("127.0.0.2");
  std::vector<io::Descriptor> many;
  for (int i = 0; i < 3; ++i) many.push_back(taker.ConnectUntilTaken());
  const io::Descriptor newcomer = taker.ConnectUntilTaken("127.0.0.3");
  EXPECT_FALSE(Ends(other, absl::ZeroDuration())) << "though it has been idle for longest";
  int ended = 0;
  for (const io::Descriptor& client : many) ended += Ends(client, absl::ZeroDuration()) ? 1 : 0;
  EXPECT_EQ(ended, 1);
}

TEST(Acceptor, AConnectionThatEndsLeavesNoDescriptorBehind) {
  Taker taker({.all = 100, .per_network = 100});
  const io::Descriptor stays = taker.ConnectUntilTaken();
  const size_t before = OpenDescriptors();
  for (int i = 0; i < 20; ++i) taker.ConnectUntilTaken().Close();
  const absl::Time start = absl::Now();
  while (OpenDescriptors() > before && absl::Now() - start < kPatience) taker.CloseEnded();
  EXPECT_EQ(OpenDescriptors(), before);
  EXPECT_FALSE(Ends(stays, absl::ZeroDuration()));
}

TEST(Acceptor, AfterStopListeningNobodyConnectsAndConnectionsStay) {
  Taker taker({.all = 10, .per_network = 10});
  const io::Descriptor stays = taker.ConnectUntilTaken();
  taker.acceptor().StopListening();
  io::Descriptor late(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in to = Loopback(taker.port());
  EXPECT_NE(connect(late.fd(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  EXPECT_FALSE(Ends(stays, absl::ZeroDuration()));
}

}  // namespace
}  // namespace errand::rpc
