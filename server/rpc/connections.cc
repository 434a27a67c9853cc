#include "server/rpc/connections.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace errand::rpc {
namespace {

// What is busier than this is not ended for a newcomer.
constexpr uint32_t kIdleMillis = 50;

// Looking for the idlest means asking the system about each: so one look ends a few.
constexpr size_t kShare = 64;

}  // namespace

class Connections::Connection final : public io::FdHandler {
 public:
  Connection(Connections* all, const PeerAddress& peer, io::Descriptor socket)
      : all_(all), peer_(peer), socket_(std::move(socket)) {}

  void OnReady(uint32_t) override { all_->OnEnd(this); }

  const PeerAddress& peer() const { return peer_; }
  int fd() const { return socket_.fd(); }
  bool ending() const { return ending_; }

  // gRPC sees the end of the connection at its next look at it.
  void End() {
    ending_ = true;
    shutdown(fd(), SHUT_RDWR);
  }

  // Since the last byte either way.
  uint32_t IdleMillis() const {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (getsockopt(fd(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
    return std::min(info.tcpi_last_data_recv, info.tcpi_last_data_sent);
  }

 private:
  Connections* const all_;
  const PeerAddress peer_;
  const io::Descriptor socket_;
  bool ending_ = false;
};

Connections::Connections(io::Loop* loop, Limits limits)
    : loop_(loop),
      limits_(limits),
      full_(loop, "there is room for connections again; closed meanwhile"),
      network_full_(loop, "no address wants more connections than allowed any more; closed meanwhile") {}

Connections::~Connections() {
  for (const auto& connection : connections_) loop_->Remove(connection->fd(), connection.get());
}

bool Connections::MakeRoom(const PeerAddress& peer) {
  const auto of_peer = open_of_.find(peer.network());
  if (of_peer != open_of_.end() && of_peer->second >= limits_.per_network) {
    const std::string begun =
        absl::StrCat("one address has ", of_peer->second, " connections, the most allowed (", peer.ToString(),
                     "): its idlest are closed");
    const int ended = EndIdlest(peer.network());
    network_full_.Happened(begun, ended);
    if (ended == 0) return false;
  }
  if (open_ >= limits_.all) {
    const std::string begun =
        absl::StrCat("there are ", open_, " connections, the most allowed: the idlest are closed");
    const int ended = EndIdlest(MostOpen());
    full_.Happened(begun, ended);
    if (ended == 0) return false;
  }
  return true;
}

bool Connections::GiveBackDescriptors() {
  const std::string begun =
      absl::StrCat("out of descriptors with ", open_, " connections: the idlest are closed");
  const int ended = EndIdlest(MostOpen());
  full_.Happened(begun, ended);
  return ended > 0;
}

absl::Status Connections::Add(const PeerAddress& peer, int socket) {
  io::Descriptor duplicate(fcntl(socket, F_DUPFD_CLOEXEC, 0));
  if (!duplicate.is_open()) return absl::ErrnoToStatus(errno, "cannot keep a connection");
  auto connection = std::make_unique<Connection>(this, peer, std::move(duplicate));
  // Of no event but the end, which needs no asking.
  const absl::Status added = loop_->Add(connection->fd(), 0, connection.get());
  if (!added.ok()) return added;
  connections_.insert(std::move(connection));
  ++open_of_[peer.network()];
  ++open_;
  return absl::OkStatus();
}

int Connections::EndIdlest(const PeerAddress::Network& network) {
  struct Idle {
    uint32_t millis;
    Connection* connection;
  };
  std::vector<Idle> idle;
  for (const auto& connection : connections_) {
    if (connection->ending() || connection->peer().network() != network) continue;
    const uint32_t millis = connection->IdleMillis();
    if (millis >= kIdleMillis) idle.push_back({millis, connection.get()});
  }
  const size_t count = std::min(idle.size(), connections_.size() / kShare + 1);
  const auto end = idle.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(idle.begin(), end, idle.end(),
                    [](const Idle& a, const Idle& b) { return a.millis > b.millis; });
  for (auto it = idle.begin(); it != end; ++it) End(*it->connection);
  return static_cast<int>(count);
}

PeerAddress::Network Connections::MostOpen() const {
  const auto most = std::max_element(open_of_.begin(), open_of_.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == open_of_.end() ? PeerAddress::Network() : most->first;
}

void Connections::End(Connection& connection) {
  connection.End();
  const auto of_network = open_of_.find(connection.peer().network());
  if (--of_network->second == 0) open_of_.erase(of_network);
  --open_;
}

void Connections::OnEnd(Connection* connection) {
  if (!connection->ending()) End(*connection);
  loop_->Remove(connection->fd(), connection);
  connections_.erase(connection);
}

}  // namespace errand::rpc
