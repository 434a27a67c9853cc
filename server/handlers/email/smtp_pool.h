#ifndef ERRAND_SERVER_HANDLERS_EMAIL_SMTP_POOL_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_SMTP_POOL_H_

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "server/clock/instant.h"
#include "server/handlers/email/delivery.h"
#include "server/handlers/email/resolver.h"
#include "server/handlers/email/smtp_connection.h"
#include "server/io/loop.h"
#include "server/io/timer.h"

namespace errand::handlers {

// The connections to one mail server, and the deliveries that are on them or wait in line for one.
//
// What is not a mail's fault costs it nothing: it waits.
//
// Usually as many connections are open as are allowed, and no more new ones at once than there are up: a
// server's backlog is short, and whoever falls out of it waits for a greeting that never comes. Where the
// server takes no more than those that are up, the limit goes down to that, at most by half, and up again by
// one every `limit_recovery`.
//
// A server is in trouble when it takes no connection at all (busy), or no mail from a client that is set up
// like this one (settings). One delivery tries again, after `first_wait` and then ever longer, up to the
// longest wait; the others stay in line. When it gets through, all go on.
//
// All calls on the loop's thread, but for those that say otherwise.
class SmtpPool : private SmtpConnection::Owner {
 public:
  struct Settings {
    std::string name;
    std::string message_id_domain;  // Empty: that of the author.
    SmtpConnection::Settings connection;
    int connections = 50;          // The most at once; at least 1.
    int mails_a_connection = 500;  // After so many it is closed; at least 1.
    absl::Duration limit_recovery = absl::Seconds(10);
    absl::Duration first_wait = absl::Seconds(1);
    absl::Duration longest_busy_wait = absl::Seconds(30);
    absl::Duration longest_settings_wait = absl::Minutes(5);
    // From when on a server that refuses every connection counts as unreachable: whoever tries pays with its
    // attempt.
    absl::Duration unreachable_after = absl::Seconds(30);
  };

  class Owner {
   public:
    virtual ~Owner() = default;

    // The delivery is done, and the pool has forgotten it. From within any call to the pool.
    virtual void OnDone(Delivery* delivery) = 0;

    // room() or in_trouble() has changed.
    virtual void OnRoom() = 0;

    // After CloseAll: there is nothing any more. Once.
    virtual void OnEmpty() = 0;
  };

  // All are borrowed.
  SmtpPool(const Settings* settings, io::Loop* loop, Owner* owner);
  ~SmtpPool() override;

  const Settings& settings() const { return *settings_; }

  // How many more deliveries there should be: as many as connections, or one that tries. Any thread.
  int room() const {
    return std::max(0, limit_.load(std::memory_order_relaxed) - under_way_.load(std::memory_order_relaxed));
  }
  bool in_trouble() const { return in_trouble_.load(std::memory_order_relaxed); }

  // Counts those that are on their way to Add, or are over. Any thread.
  void CountUnderWay(int change) { under_way_.fetch_add(change, std::memory_order_relaxed); }

  // When to come back with a delivery, where as many as there are connections wait already; zero: now. Others
  // of the same handler are not to be kept out by those of one server.
  absl::Duration Crowded() const;

  // Takes a delivery that is not done, at the end of the line.
  void Add(Delivery* delivery);

  // Ends a delivery with `failure`: at once where it waits, or with what the server has said by then. One
  // whose message was handed over is left to wait for the reply if `unless_handed_over`.
  void End(Delivery* delivery, const SmtpFailure& failure, bool unless_handed_over);

  // Closes every connection. When no delivery is left.
  void CloseAll();

 private:
  enum class Trouble { kNone, kBusy, kSettings };

  void OnUp(SmtpConnection* connection) override;
  void OnIdle(SmtpConnection* connection) override;
  void OnDelivered(SmtpConnection* connection, Delivery* delivery) override;
  void OnReturned(SmtpConnection* connection, Delivery* delivery,
                  const std::optional<SmtpFailure>& failure) override;
  void OnClosed(SmtpConnection* connection) override;

  // Gives those in line to connections that are idle or new.
  void Dispatch();
  bool MayOpen();
  // Takes back a delivery whose connection is not up yet, for one that is idle.
  void TakeFromConnecting();
  void Serve(SmtpConnection* connection, Delivery* delivery);
  void WaitAgain(Delivery* delivery);
  void Lower(int up);
  void Raise();
  void EnterTrouble(Trouble trouble, const SmtpFailure& failure);
  void TryLater();
  void LeaveTrouble();
  void SetLimit();
  int CountUp(const SmtpConnection* except) const;
  void DropIdle();
  void Reap();
  void ScheduleReap();

  const Settings* const settings_;
  io::Loop* const loop_;
  Owner* const owner_;
  Resolver resolver_;

  std::deque<Delivery*> line_;
  absl::flat_hash_map<Delivery*, SmtpConnection*> serving_;
  std::vector<std::unique_ptr<SmtpConnection>> connections_;
  std::vector<SmtpConnection*> idle_;  // The one used last at the end: the others grow old.
  std::vector<std::unique_ptr<SmtpConnection>>
      ended_;  // For Reap to destroy, from outside of their own calls.
  bool reap_scheduled_ = false;
  bool closing_ = false;
  bool empty_ = false;  // OnEmpty was called.

  int cap_;             // Connections that the server is believed to take.
  int generation_ = 0;  // Of cap_: what an older connection meets says nothing new.
  io::Timer raise_timer_;

  Trouble trouble_ = Trouble::kNone;
  SmtpConnection* probe_ = nullptr;  // Tries again.
  absl::Duration wait_;
  clock::Instant trouble_since_;
  io::Timer try_timer_;

  std::atomic<int> under_way_{0};
  std::atomic<int> limit_;
  std::atomic<bool> in_trouble_{false};
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_SMTP_POOL_H_
