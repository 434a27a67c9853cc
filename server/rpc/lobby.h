#ifndef ERRAND_SERVER_RPC_LOBBY_H_
#define ERRAND_SERVER_RPC_LOBBY_H_

#include <cstddef>
#include <cstdint>
#include <list>

#include "absl/functional/any_invocable.h"
#include "server/io/descriptor.h"
#include "server/io/loop.h"
#include "server/io/timer.h"
#include "server/rpc/log_episode.h"
#include "server/rpc/peer_address.h"

namespace errand::rpc {

// Where connections are until their first bytes have come: clients of HTTP/2 and of TLS speak first, and at
// once, so that whoever connects and says nothing takes a descriptor for a few seconds and nothing of gRPC's.
// One that has spoken and finds no room waits here, too. On the loop's thread.
class Lobby {
 public:
  // Takes a connection that has spoken; false leaves it.
  using Admit = absl::AnyInvocable<bool(io::Descriptor& socket, const PeerAddress& peer)>;

  // `capacity` is how many may be here; when more come, the first go.
  Lobby(io::Loop* loop, size_t capacity, Admit admit);
  ~Lobby();

  void Enter(io::Descriptor socket, const PeerAddress& peer);

  // Closes a part, because the process is out of descriptors. False when nobody is here.
  bool GiveBackDescriptors();

 private:
  class Guest;
  using Guests = std::list<Guest>;

  void OnReady(Guest& guest, uint32_t events);
  void AdmitThoseThatWait();
  void TurnOutLate();
  void TurnOut(Guests::iterator guest);
  void Remove(Guests::iterator guest);

  io::Loop* const loop_;
  const size_t capacity_;
  Admit admit_;
  Guests guests_;  // In the order in which they came.
  size_t waiting_ = 0;
  io::Timer retry_;
  io::Timer late_;
  LogEpisode turned_out_;
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_LOBBY_H_
