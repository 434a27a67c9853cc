#ifndef ERRAND_SERVER_HANDLERS_EMAIL_HOST_LOOKUP_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_HOST_LOOKUP_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/handlers/email/server_address.h"
#include "server/handlers/email/socket_address.h"
#include "server/io/loop.h"
#include "server/io/timer.h"

struct ares_addrinfo;
struct ares_channeldata;

namespace errand::handlers {

// Where a host can be reached.
struct HostAddresses {
  std::vector<SocketAddress> addresses;  // At least one, the best first (RFC 6724).
  absl::Duration ttl;                    // How long that is true; zero where nobody says.
};

// One look-up of a server's addresses on the loop: /etc/hosts and DNS, as the system is configured now.
// All calls on the loop's thread.
class HostLookup {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<HostAddresses>)>;

  // `loop` is borrowed.
  HostLookup(io::Loop* loop, ServerAddress server);

  // Cancels: `done` is not called any more.
  ~HostLookup();

  HostLookup(const HostLookup&) = delete;
  HostLookup& operator=(const HostLookup&) = delete;

  // Once. `done` gets the addresses, or an error for people. It may be called before Start returns, and must
  // not destroy this object.
  void Start(Done done);

 private:
  class Watched;

  void OnSocketState(int fd, bool readable, bool writable);
  void OnAnswer(int status, ares_addrinfo* answer);
  void Process(int readable_fd, int writable_fd);
  void ArmTimer();

  io::Loop* const loop_;
  const ServerAddress server_;
  Done done_;
  io::Timer timer_;  // For c-ares, which repeats and gives up by itself.
  absl::flat_hash_map<int, std::unique_ptr<Watched>> watched_;
  ares_channeldata* channel_ = nullptr;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_HOST_LOOKUP_H_
