#ifndef ERRAND_SERVER_HANDLERS_EMAIL_EMAIL_HANDLER_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_EMAIL_HANDLER_H_

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "server/handlers/email/delivery.h"
#include "server/handlers/email/smtp_timeouts.h"
#include "server/handlers/email/tls_mode.h"
#include "server/handlers/handler.h"
#include "server/io/loop.h"

namespace errand::handlers {

struct EmailHandlerOptions {
  // The mail server that takes all mail: "host:port" or "[v6]:port".
  std::string server;
  TlsMode tls = TlsMode::kStartTls;
  // A PEM file of the certificate authorities to trust; empty: the system's.
  std::string ca_file;
  // What the handler calls itself in EHLO: a host name or an address literal. Empty: the system's host name.
  std::string helo_name;
  // The most attempts that run, and connections that are open, at once; at least 1.
  int connections = 50;
  SmtpTimeouts timeouts;
  // How long the destructor waits for replies to messages that were handed over already, before it gives
  // them up as DELIVERY_UNKNOWN.
  absl::Duration destructor_patience = absl::Seconds(10);
};

// Delivers e-mail over SMTP (RFC 5321): one connection a message, all of them on one loop.
class EmailHandler : public Handler, private Delivery::Owner {
 public:
  // INVALID_ARGUMENT that names the option when one is not right. Does not contact the server. `loop` is
  // borrowed, must outlive the handler, and runs until then.
  static absl::StatusOr<std::unique_ptr<EmailHandler>> Create(EmailHandlerOptions options, io::Loop* loop);

  // Waits for the last OnDone. From any thread but the loop's.
  ~EmailHandler() override;

  task::Room GetRoom() override {
    return {.tasks = connections_ - under_way_.load(std::memory_order_relaxed)};
  }
  void WatchRoom(std::function<void()> /*more_room*/) override {}  // Only ends make room.
  void Start(Attempt attempt, std::unique_ptr<AttemptObserver> observer) override;
  // After the final dot was sent the outcome is the server's reply: the attempt ends when that comes, or by
  // its timeout.
  void Stop(AttemptId id) override;
  // Does not wait for that reply: DELIVERY_UNKNOWN.
  void Abandon(AttemptId id) override;

 private:
  EmailHandler(Delivery::Settings settings, int connections, absl::Duration destructor_patience,
               io::Loop* loop);

  void OnSettled(Delivery* delivery) override;
  void OnClosed(Delivery* delivery) override;
  void Stop(AttemptId id, absl::Duration patience);
  void Begin(std::unique_ptr<Delivery> delivery);
  void ScheduleReap();
  void Reap();

  const Delivery::Settings settings_;
  const int connections_;
  const absl::Duration destructor_patience_;
  io::Loop* const loop_;
  std::atomic<int> under_way_{0};  // Attempts that were started and have not ended.

  // Owned by the loop's thread.
  absl::flat_hash_map<AttemptId, std::unique_ptr<Delivery>> running_;
  std::list<std::unique_ptr<Delivery>> leaving_;  // Settled, and saying QUIT; the oldest first.
  std::vector<std::unique_ptr<Delivery>> ended_;  // For Reap to destroy, from outside of their own calls.
  bool reap_scheduled_ = false;
  absl::Notification* all_ended_ = nullptr;  // Set by the destructor.
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_EMAIL_HANDLER_H_
