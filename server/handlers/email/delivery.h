#ifndef ERRAND_SERVER_HANDLERS_EMAIL_DELIVERY_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_DELIVERY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/clock/moment.h"
#include "server/handlers/email/connector.h"
#include "server/handlers/email/host_lookup.h"
#include "server/handlers/email/receipt.h"
#include "server/handlers/email/server_address.h"
#include "server/handlers/email/smtp_data.h"
#include "server/handlers/email/smtp_session.h"
#include "server/handlers/email/smtp_timeouts.h"
#include "server/handlers/email/tls_channel.h"
#include "server/handlers/email/transport.h"
#include "server/handlers/handler.h"
#include "server/io/loop.h"
#include "server/io/timer.h"

namespace errand::handlers {

// One attempt to deliver one message: looks the server up, connects, and carries bytes and deadlines
// between the network and an SmtpSession. The outcome is reported as soon as it is known; the connection
// may live a little longer, to say QUIT. All calls on the loop's thread.
class Delivery : private Transport::Owner {
 public:
  // What all deliveries of a handler have in common.
  struct Settings {
    ServerAddress server;
    TlsMode tls = TlsMode::kNone;
    std::unique_ptr<TlsContext> tls_context;  // Null with TlsMode::kNone.
    std::string helo_name;
    SmtpTimeouts timeouts;
  };

  // Called from within Start, Stop and Abandon, too. Must not destroy the delivery there.
  class Owner {
   public:
    virtual ~Owner() = default;

    // The observer was told the outcome, and is gone. Comes first, once.
    virtual void OnSettled(Delivery* delivery) = 0;

    // The connection is closed; the delivery does nothing any more. Comes last, once.
    virtual void OnClosed(Delivery* delivery) = 0;
  };

  // `settings`, `loop` and `owner` are borrowed. `started` is when the attempt began.
  Delivery(const Settings* settings, io::Loop* loop, Owner* owner, Attempt attempt,
           std::unique_ptr<AttemptObserver> observer, clock::Moment started);

  AttemptId id() const { return attempt_.id; }

  // Once, first.
  void Start();

  // Before the final dot, closes the connection, and the outcome is CANCELLED. After it the outcome is what
  // the server replies, or DELIVERY_UNKNOWN when that takes longer than `patience`.
  void Stop(absl::Duration patience);

  // Closes what is left of the connection. Only when settled.
  void Abandon();

 private:
  void OnReceived(absl::string_view bytes) override;
  void OnDrained() override;
  void OnTlsUp() override;
  void OnTlsFailed(absl::string_view why) override;
  void OnLost(absl::string_view why) override;

  void OnAddresses(absl::StatusOr<std::vector<SocketAddress>> addresses);
  void OnConnected(absl::StatusOr<Socket> socket);
  void OnPhaseTimeout();
  // Ends the attempt as SmtpSession::Fail does.
  void Fail(SmtpFailure::Kind kind, absl::string_view text);
  // Does what the session asks for.
  void Advance();
  void SendMessage();
  void Report();
  absl::Duration PhaseTimeout() const;

  const Settings* const settings_;
  io::Loop* const loop_;
  Owner* const owner_;
  const Attempt attempt_;
  const clock::Moment started_;

  std::unique_ptr<AttemptObserver> observer_;  // Null once the outcome is reported.
  Receipt receipt_;
  SmtpSession session_;
  HostLookup lookup_;
  std::optional<Connector> connector_;
  std::optional<Transport> transport_;
  std::optional<SmtpData> data_;
  bool tls_started_ = false;
  bool closed_ = false;
  int timed_step_ = -1;  // The step that phase_timer_ was set for.
  io::Timer phase_timer_;
  io::Timer run_timer_;   // For run_timeout.
  io::Timer stop_timer_;  // For the patience of Stop.
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_DELIVERY_H_
