#include "server/rpc/connections.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/epoll.h>
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

constexpr int kExcessLines = 3;

}  // namespace

class Connections::Connection final : public io::FdHandler {
 public:
  Connection(Connections* all, const PeerAddress& peer, io::Descriptor socket, std::shared_ptr<Meter> meter)
      : all_(all), peer_(peer), socket_(std::move(socket)), meter_(std::move(meter)) {}

  void OnReady(uint32_t) override { all_->OnEnd(this); }

  const PeerAddress& peer() const { return peer_; }
  int fd() const { return socket_.fd(); }
  bool ending() const { return ending_; }
  const Meter& meter() const { return *meter_; }

  // gRPC sees the end of the connection at its next look at it.
  void End() {
    ending_ = true;
    shutdown(fd(), SHUT_RDWR);
    meter_->Close();
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
  const std::shared_ptr<Meter> meter_;
  bool ending_ = false;
};

Connections::Connections(io::Loop* loop, Limits limits, std::shared_ptr<Totals> totals)
    : loop_(loop),
      limits_(limits),
      totals_(std::move(totals)),
      full_(loop, "there is room for connections again; closed meanwhile"),
      network_full_(loop, "no address wants more connections than allowed any more; closed meanwhile"),
      excess_(kExcessLines) {}

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

absl::Status Connections::Add(const PeerAddress& peer, int socket, std::shared_ptr<Meter> meter) {
  io::Descriptor duplicate(fcntl(socket, F_DUPFD_CLOEXEC, 0));
  if (!duplicate.is_open()) return absl::ErrnoToStatus(errno, "cannot keep a connection");
  auto connection = std::make_unique<Connection>(this, peer, std::move(duplicate), std::move(meter));
  // A client that closes its side has no use for answers either.
  if (absl::Status added = loop_->Add(connection->fd(), EPOLLRDHUP, connection.get()); !added.ok()) {
    return added;
  }
  connections_.insert(std::move(connection));
  ++open_of_[peer.network()];
  ++open_;
  return absl::OkStatus();
}

bool Connections::IsMetered(const PeerAddress& peer) const {
  return std::any_of(connections_.begin(), connections_.end(), [&](const auto& connection) {
    return connection->peer() == peer && connection->meter().has_received();
  });
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

void Connections::EndExcess() {
  totals_->Relieved();
  EndHighest([](const Meter::Holdings& holdings) { return static_cast<double>(holdings.streams); },
             &Totals::too_many_streams, "has the most open streams of too many");
  EndHighest([](const Meter::Holdings& holdings) { return holdings.byte_seconds; },
             &Totals::too_much_unanswered, "has the most unfinished messages of too many");
}

template <class Score>
void Connections::EndHighest(Score score, bool (Totals::*exceeds)() const, absl::string_view why) {
  if (!(*totals_.*exceeds)()) return;
  const double now = Meter::Now();
  struct Ranked {
    double network_score;
    double score;
    Connection* connection;
  };
  std::vector<Ranked> ranked;
  absl::flat_hash_map<PeerAddress::Network, double> network_scores;
  for (const auto& connection : connections_) {
    if (connection->ending()) continue;
    ranked.push_back({0, score(connection->meter().Holds(now)), connection.get()});
    network_scores[connection->peer().network()] += ranked.back().score;
  }
  for (Ranked& one : ranked) one.network_score = network_scores[one.connection->peer().network()];
  std::sort(ranked.begin(), ranked.end(), [](const Ranked& a, const Ranked& b) {
    return std::pair(a.network_score, a.score) > std::pair(b.network_score, b.score);
  });
  for (const Ranked& one : ranked) {
    if (!(*totals_.*exceeds)() || one.score == 0) return;
    excess_.Warn(absl::StrCat("closed ", one.connection->peer().ToString(), ": it ", why));
    End(*one.connection);
  }
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
