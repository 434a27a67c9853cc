#ifndef ERRAND_SERVER_HANDLERS_EMAIL_CONNECTOR_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_CONNECTOR_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/handlers/email/socket.h"
#include "server/handlers/email/socket_address.h"
#include "server/io/loop.h"
#include "server/io/timer.h"

namespace errand::handlers {

// Opens a TCP connection to the first of several addresses that takes one. All calls on the loop's thread.
class Connector : private io::FdHandler {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<Socket>)>;

  // `loop` is borrowed. Each address gets `timeout`.
  Connector(io::Loop* loop, std::vector<SocketAddress> addresses, absl::Duration timeout);

  // Cancels.
  ~Connector() override;

  // Once. `done` gets a non-blocking connected socket, or an error that says for each address what went
  // wrong. It may be called before Start returns, and must not destroy this object.
  void Start(Done done);

  // Gives up: `done` is not called any more.
  void Cancel();

 private:
  void OnReady(uint32_t events) override;
  void TryNext();
  void Failed(absl::string_view problem);
  void Succeeded();
  void Unwatch();

  io::Loop* const loop_;
  const std::vector<SocketAddress> addresses_;
  const absl::Duration timeout_;
  Done done_;
  size_t next_ = 0;
  Socket socket_;
  bool watching_ = false;
  std::string problems_;
  io::Timer timer_;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_CONNECTOR_H_
