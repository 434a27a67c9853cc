#ifndef ERRAND_SERVER_RPC_ACCEPTOR_H_
#define ERRAND_SERVER_RPC_ACCEPTOR_H_

#include <sys/socket.h>

#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "server/io/descriptor.h"
#include "server/io/loop.h"
#include "server/io/timer.h"
#include "server/rpc/connections.h"
#include "server/rpc/guard/totals.h"
#include "server/rpc/listen_sockets.h"
#include "server/rpc/lobby.h"
#include "server/rpc/log_episode.h"
#include "server/rpc/peer_address.h"
#include "server/rpc/suspects.h"
#include "server/rpc/throttled_log.h"

namespace errand::rpc {

// Accepts connections in gRPC's place. The listener of gRPC 1.51 stops for good when accept fails, as it does
// without descriptors (CVE-2023-4785), and takes as many connections as there are. This one always goes on:
// descriptors are kept in reserve so that a client that cannot be served is at least not left waiting, what
// has not said anything yet is kept from gRPC (Lobby), and how much it gets is bounded (Connections).
//
// Two threads: one accepts and watches; the other hands over, which may take longer.
class Acceptor {
 public:
  // Takes a connection over, and closes it in the end. Called on the second thread.
  using HandOver = absl::AnyInvocable<void(int socket)>;

  Acceptor(ListenSockets listening, Connections::Limits limits, const GuardLimits& guard, HandOver hand_over);
  ~Acceptor();

  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // Says in the log whether what gRPC reads is metered, which it finds out by a connection to itself. Once
  // gRPC has begun to serve; it may take some milliseconds.
  void CheckMetering();

  // Closes the listening sockets; nothing is handed over when it returns. Connections stay open.
  void StopListening();

 private:
  class Listener;

  // On the first loop's thread.
  void Accept(int listener);
  bool Admit(io::Descriptor& socket, const PeerAddress& peer);
  // On the second loop's thread. gRPC would begin to read on it, and go on for as long as bytes come: so the
  // socket is not said to be readable before gRPC waits for that, in one of its own threads.
  void HandOverUnread(int socket);

  // Accepts a connection only to close it, with a descriptor of the reserve. False when that is no help
  // either.
  bool TurnAway(int listener);
  void FillReserve();
  void Pause();
  void Resume();

  const std::shared_ptr<Totals> totals_;  // Shared with meters, which last as long as gRPC has the sockets.
  const std::shared_ptr<ThrottledLog> cut_log_;  // So are these.
  const std::shared_ptr<Suspects> suspects_;
  HandOver hand_over_;
  sockaddr_storage address_{};  // Of the first socket that listens.
  io::Loop loop_;
  io::Loop hand_over_loop_;

  // Owned by the first loop's thread.
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<io::Descriptor> reserve_;
  std::unique_ptr<Connections> connections_;
  std::unique_ptr<Lobby> lobby_;
  std::unique_ptr<LogEpisode> failures_;
  std::unique_ptr<io::Timer> resume_;
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_ACCEPTOR_H_
