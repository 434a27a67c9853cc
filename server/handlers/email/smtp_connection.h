#ifndef ERRAND_SERVER_HANDLERS_EMAIL_SMTP_CONNECTION_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_SMTP_CONNECTION_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/handlers/email/connector.h"
#include "server/handlers/email/delivery.h"
#include "server/handlers/email/resolver.h"
#include "server/handlers/email/server_address.h"
#include "server/handlers/email/smtp_data.h"
#include "server/handlers/email/smtp_session.h"
#include "server/handlers/email/smtp_timeouts.h"
#include "server/handlers/email/tls_channel.h"
#include "server/handlers/email/transport.h"
#include "server/io/loop.h"
#include "server/io/timer.h"

namespace errand::handlers {

// One connection to a mail server: looks it up, connects, says hello, and then sends one delivery after the
// other. Carries bytes and deadlines between the network and an SmtpSession. All calls on the loop's thread.
class SmtpConnection : private Transport::Owner {
 public:
  // What all connections to a server have in common.
  struct Settings {
    ServerAddress server;
    TlsMode tls = TlsMode::kNone;
    std::unique_ptr<TlsContext> tls_context;  // Null with TlsMode::kNone.
    std::string tls_name;                     // What its certificate must be for.
    std::string helo_name;                    // Empty: the address that it connects from, as a literal.
    // How to log in; its `secret` is what the file `secret_file` holds when a connection is opened.
    std::optional<SmtpLogin> login = std::nullopt;
    std::string secret_file;
    SmtpTimeouts timeouts;
  };

  // Called from within any call to the connection. Must not destroy it there.
  class Owner {
   public:
    virtual ~Owner() = default;

    // The server has greeted it well, and takes mail. Once.
    virtual void OnUp(SmtpConnection* connection) = 0;

    // It is up and has nothing to do: may be given a delivery, or be told to quit.
    virtual void OnIdle(SmtpConnection* connection) = 0;

    // The delivery is done, and the connection has forgotten it.
    virtual void OnDelivered(SmtpConnection* connection, Delivery* delivery) = 0;

    // The delivery is not done, and the connection has forgotten it. `failure` is why; unset where another
    // connection may have better luck: this one had died, or ended half-way.
    virtual void OnReturned(SmtpConnection* connection, Delivery* delivery,
                            const std::optional<SmtpFailure>& failure) = 0;

    // It does nothing any more. Comes last, once; it has no delivery then.
    virtual void OnClosed(SmtpConnection* connection) = 0;
  };

  // All are borrowed. `generation` is the owner's.
  SmtpConnection(const Settings* settings, io::Loop* loop, Resolver* resolver, Owner* owner, int generation);
  ~SmtpConnection() override;

  int generation() const { return generation_; }

  // Connects, for the sake of `delivery`. Once, first.
  void Open(Delivery* delivery);

  // When is_idle().
  void Deliver(Delivery* delivery);

  // OnUp was called, and it is not closed.
  bool is_up() const { return is_up_ && session_->phase() != SmtpSession::Phase::kClosed; }
  // Deliveries so far.
  int delivered() const { return delivered_; }
  // Still so after OnIdle: it may have said good-bye by itself.
  bool is_idle() const {
    return delivery_ == nullptr && session_.has_value() && session_->phase() == SmtpSession::Phase::kReady;
  }
  bool is_quitting() const { return session_.has_value() && session_->phase() == SmtpSession::Phase::kQuit; }

  // Says good-bye. When is_idle().
  void Quit();

  // Gives its delivery back, and goes on to be idle. Before OnUp.
  Delivery* Release() { return std::exchange(delivery_, nullptr); }

  // Ends the delivery it has with `failure`, and closes. After the final dot the delivery is unknown then.
  void Fail(SmtpFailure failure);

  // Only the reply to the message can say what became of it.
  bool has_handed_over() const {
    return session_.has_value() && session_->phase() == SmtpSession::Phase::kFinalDot;
  }

  // Closes what is left. Only without a delivery.
  void Abandon();

 private:
  using Phase = SmtpSession::Phase;

  void OnReceived(absl::string_view bytes) override;
  void OnDrained() override;
  void OnTlsUp() override;
  void OnTlsFailed(absl::string_view why) override;
  void OnLost(absl::string_view why) override;

  void OnAddresses(const absl::StatusOr<std::vector<SocketAddress>>& addresses);
  void OnConnected(Connector::Result result);
  void OnPhaseTimeout();
  void OnNoted(const absl::Status& status);
  // Does what the session asks for.
  void Advance();
  void BeginTransaction();
  void SendMessage();
  void SettleTransaction();
  void Return(std::optional<SmtpFailure> failure);
  void Close();
  absl::Duration PhaseTimeout() const;

  const Settings* const settings_;
  io::Loop* const loop_;
  Resolver* const resolver_;
  Owner* const owner_;
  const int generation_;

  Delivery* delivery_ = nullptr;
  bool in_transaction_ = false;
  int delivered_ = 0;
  bool is_up_ = false;
  bool closed_ = false;

  std::string server_;  // The address that it is connected to.
  std::optional<Resolver::RequestId> lookup_;
  std::optional<Connector> connector_;
  std::optional<Transport> transport_;
  std::optional<SmtpSession> session_;
  bool tls_started_ = false;

  // The message of the transaction, as far as it is sent.
  std::optional<SmtpData> data_;
  std::string last_chunk_;  // Held back until the hand-over is noted.
  bool noted_ = false;
  bool dot_sent_ = false;
  std::shared_ptr<int> transaction_;  // Those that note it hold it weakly.

  int timed_step_ = -1;  // The step that phase_timer_ was set for.
  io::Timer phase_timer_;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_SMTP_CONNECTION_H_
