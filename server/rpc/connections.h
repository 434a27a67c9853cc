#ifndef ERRAND_SERVER_RPC_CONNECTIONS_H_
#define ERRAND_SERVER_RPC_CONNECTIONS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "server/io/descriptor.h"
#include "server/io/loop.h"
#include "server/rpc/guard/meter.h"
#include "server/rpc/guard/totals.h"
#include "server/rpc/log_episode.h"
#include "server/rpc/peer_address.h"
#include "server/rpc/throttled_log.h"

namespace errand::rpc {

// The connections that gRPC has, and how many there may be. gRPC closes what it was given without telling
// anyone: a duplicate of each descriptor is kept, where the end of the connection is seen, and through which
// it can be ended. gRPC shuts a socket down before it closes it, so that the duplicate keeps no peer waiting.
// On the loop's thread.
class Connections {
 public:
  struct Limits {
    int all = 0;
    int per_network = 0;  // See PeerAddress::Network.
  };

  Connections(io::Loop* loop, Limits limits, std::shared_ptr<Totals> totals);
  ~Connections();

  // Makes room for one more connection from `peer`: when there are as many as there may be, the idlest of the
  // network that has the most are ended. False when none is idle.
  bool MakeRoom(const PeerAddress& peer);

  // Ends some of the idlest, because the process is out of descriptors. False when none is idle.
  bool GiveBackDescriptors();

  // Keeps a duplicate of `socket` until the connection ends, and tells its meter of that.
  absl::Status Add(const PeerAddress& peer, int socket, std::shared_ptr<Meter> meter);

  // Whether the meter of the connection from `peer` has seen anything.
  bool IsMetered(const PeerAddress& peer) const;

  // Ends those that hold the most, until all together hold no more than they may.
  void EndExcess();

 private:
  class Connection;

  // Ends the idlest of `network`; how many.
  int EndIdlest(const PeerAddress::Network& network);
  // Where the most come from: the places of others are safe from it.
  PeerAddress::Network MostOpen() const;
  // Ends those with the highest `score` of Holdings, of the networks that have the highest together, while
  // `exceeds` says so.
  template <class Score>
  void EndHighest(Score score, bool (Totals::*exceeds)() const, absl::string_view why);
  void End(Connection& connection);
  void OnEnd(Connection* connection);

  io::Loop* const loop_;
  const Limits limits_;
  const std::shared_ptr<Totals> totals_;
  absl::flat_hash_set<std::unique_ptr<Connection>> connections_;
  // Those that are not being ended: of each network, and in all.
  absl::flat_hash_map<PeerAddress::Network, int> open_of_;
  int open_ = 0;
  LogEpisode full_;
  LogEpisode network_full_;
  ThrottledLog excess_;
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_CONNECTIONS_H_
