#ifndef ERRAND_SERVER_HANDLERS_EMAIL_EMAIL_HANDLER_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_EMAIL_HANDLER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "server/handlers/email/delivery.h"
#include "server/handlers/email/smtp_pool.h"
#include "server/handlers/email/smtp_timeouts.h"
#include "server/handlers/email/tls_mode.h"
#include "server/handlers/handler.h"
#include "server/io/loop.h"
#include "server/io/timer.h"

namespace errand::handlers {

struct EmailHandlerOptions {
  // The mail server that takes all mail: "host:port" or "[v6]:port".
  std::string server;
  TlsMode tls = TlsMode::kStartTls;
  // A PEM file of the certificate authorities to trust; empty: the system's.
  std::string ca_file;
  // What the handler calls itself in EHLO: a host name or an address literal. Empty: the system's host name
  // where that has a domain, otherwise the address that it connects from (RFC 5321 section 4.1.1.1).
  std::string helo_name;
  // The most attempts that run, and connections that are open, at once; at least 1.
  int connections = 50;
  // How many mails go over a connection before it is closed; at least 1.
  int mails_a_connection = 500;
  SmtpTimeouts timeouts;
  // From when on a server that refuses every connection costs whoever tries its attempt.
  absl::Duration unreachable_after = absl::Seconds(30);
  // How long the first wait is before a server that takes no mail is tried again.
  absl::Duration first_wait = absl::Seconds(1);
  // How long the destructor waits for replies to messages that were handed over already, before it gives
  // them up as DELIVERY_UNKNOWN.
  absl::Duration destructor_patience = absl::Seconds(10);
};

// Delivers e-mail over SMTP (RFC 5321), over connections that are kept, all of them on one loop.
class EmailHandler : public Handler, private Delivery::Owner, private SmtpPool::Owner {
 public:
  // INVALID_ARGUMENT that names the option when one is not right. Does not contact the server. `loop` is
  // borrowed, must outlive the handler, and runs until then.
  static absl::StatusOr<std::unique_ptr<EmailHandler>> Create(EmailHandlerOptions options, io::Loop* loop);

  // Waits for the last OnDone. From any thread but the loop's.
  ~EmailHandler() override;

  task::Room GetRoom() override;
  void WatchRoom(std::function<void()> more_room) override { more_room_ = std::move(more_room); }
  void Start(Attempt attempt, std::unique_ptr<AttemptObserver> observer) override;
  void StartAll(std::vector<NewAttempt> attempts) override;
  // After the final dot was sent the outcome is the server's reply: the attempt ends when that comes, or by
  // its timeout.
  void Stop(AttemptId id) override;
  // Does not wait for that reply: DELIVERY_UNKNOWN.
  void Abandon(AttemptId id) override;

 private:
  EmailHandler(SmtpPool::Settings settings, absl::Duration destructor_patience, io::Loop* loop);

  void OnRunTimeout(Delivery* delivery) override;
  void OnDone(Delivery* delivery) override;
  void OnRoom() override;
  void OnEmpty() override;
  void Stop(AttemptId id, bool unless_handed_over);
  void StopEverything(bool unless_handed_over);

  const SmtpPool::Settings settings_;
  const absl::Duration destructor_patience_;
  io::Loop* const loop_;
  std::function<void()> more_room_;  // Constant after WatchRoom.
  std::atomic<int> under_way_{0};    // Attempts that were started and have not ended.

  // Owned by the loop's thread, but for what the pool says otherwise of.
  absl::flat_hash_map<AttemptId, std::unique_ptr<Delivery>> deliveries_;
  std::unique_ptr<SmtpPool> pool_;
  std::unique_ptr<io::Timer> last_timer_;    // Of the destructor.
  absl::Notification* all_ended_ = nullptr;  // Set by the destructor.
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_EMAIL_HANDLER_H_
