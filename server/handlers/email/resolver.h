#ifndef ERRAND_SERVER_HANDLERS_EMAIL_RESOLVER_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_RESOLVER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/clock/instant.h"
#include "server/handlers/email/host_lookup.h"
#include "server/handlers/email/server_address.h"
#include "server/io/loop.h"

namespace errand::handlers {

// The addresses of one mail server: looked up once for all who ask at the same time, and kept for as long as
// DNS says, between a second and five minutes. All calls on the loop's thread.
class Resolver {
 public:
  // Gets at least one address, the best first (RFC 6724), or an error for people.
  using Done = absl::AnyInvocable<void(const absl::StatusOr<std::vector<SocketAddress>>&)>;
  using RequestId = uint64_t;

  // `loop` is borrowed.
  Resolver(io::Loop* loop, ServerAddress server);

  // `done` may be called before Resolve returns; nothing to cancel then.
  RequestId Resolve(Done done);

  // `done` is not called any more. Nothing happens if it was.
  void Cancel(RequestId id) { waiting_.erase(id); }

 private:
  void OnAnswer(absl::StatusOr<HostAddresses> answer);

  io::Loop* const loop_;
  const ServerAddress server_;
  RequestId next_id_ = 1;
  absl::flat_hash_map<RequestId, Done> waiting_;
  std::unique_ptr<HostLookup> lookup_;  // Under way, or the last one.
  bool looking_up_ = false;
  absl::StatusOr<std::vector<SocketAddress>> known_;  // An error before the first answer.
  clock::Instant known_until_;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_RESOLVER_H_
