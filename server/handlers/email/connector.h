#ifndef ERRAND_SERVER_HANDLERS_EMAIL_CONNECTOR_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_CONNECTOR_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "server/handlers/email/socket.h"
#include "server/handlers/email/socket_address.h"
#include "server/io/loop.h"
#include "server/io/timer.h"

namespace errand::handlers {

// Opens a TCP connection to the first of several addresses that takes one ("Happy Eyeballs", RFC 8305): a
// further address is tried as soon as one has failed, or has not answered for 250 ms. All calls on the loop's
// thread.
class Connector {
 public:
  struct Result {
    Socket socket;        // Non-blocking and connected; not open where no address took a connection.
    std::string address;  // That took it.
    std::string problem;  // Otherwise what went wrong with each address; for people.
    // Otherwise: some host is there, and said no.
    bool refused = false;
  };
  using Done = absl::AnyInvocable<void(Result)>;

  // `loop` is borrowed. Each address gets `timeout`. There is at least one, the best first.
  Connector(io::Loop* loop, std::vector<SocketAddress> addresses, absl::Duration timeout);

  // Cancels.
  ~Connector();

  // Once. `done` may be called before Start returns, and must not destroy this object.
  void Start(Done done);

  // Gives up: `done` is not called any more.
  void Cancel();

 private:
  class Try;

  void StartNext();
  void Failed(Try* one, int error);
  void Succeeded(Try* one);
  void AddProblem(const SocketAddress& address, absl::string_view problem);

  io::Loop* const loop_;
  std::vector<SocketAddress> addresses_;
  const absl::Duration timeout_;
  Done done_;
  size_t next_ = 0;
  std::vector<std::unique_ptr<Try>> tries_;  // Under way.
  Result result_;
  io::Timer next_timer_;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_CONNECTOR_H_
