#ifndef ERRAND_SERVER_HANDLERS_EMAIL_EMAIL_HANDLER_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_EMAIL_HANDLER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "server/handlers/email/delivery.h"
#include "server/handlers/email/smtp_pool.h"
#include "server/handlers/email/smtp_profile.h"
#include "server/handlers/handler.h"
#include "server/io/loop.h"
#include "server/io/timer.h"

namespace errand::handlers {

struct EmailHandlerOptions {
  // At least one, with names that differ.
  std::vector<SmtpProfile> profiles;
  // How long the destructor waits for replies to messages that were handed over already, before it gives
  // them up as DELIVERY_UNKNOWN.
  absl::Duration destructor_patience = absl::Seconds(10);
};

// Delivers e-mail over SMTP (RFC 5321), over connections that are kept: a pool a profile, all of them on one
// loop.
class EmailHandler : public Handler, private Delivery::Owner, private SmtpPool::Owner {
 public:
  // INVALID_ARGUMENT that names the profile and the option when one is not right. Does not contact a server.
  // `loop` is borrowed, must outlive the handler, and runs until then.
  static absl::StatusOr<std::unique_ptr<EmailHandler>> Create(const EmailHandlerOptions& options,
                                                              io::Loop* loop);

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
  struct Profile {
    std::unique_ptr<const SmtpPool::Settings> settings;
    std::unique_ptr<SmtpPool> pool;
  };

  EmailHandler(std::vector<std::unique_ptr<SmtpPool::Settings>> settings, absl::Duration destructor_patience,
               io::Loop* loop);

  void OnRunTimeout(Delivery* delivery) override;
  void OnDone(Delivery* delivery) override;
  void OnRoom() override;
  void OnEmpty() override;
  // Null where there is no such profile (any more).
  SmtpPool* PoolOf(const std::string& profile) const;
  void Begin(NewAttempt one, clock::Moment started);
  void Stop(AttemptId id, bool unless_handed_over);
  void StopEverything(bool unless_handed_over);
  void CloseWhenDone();

  const absl::Duration destructor_patience_;
  io::Loop* const loop_;
  std::map<std::string, Profile>
      profiles_;                     // By name. Constant; the pools are the loop's but for what they say.
  std::function<void()> more_room_;  // Constant after WatchRoom.

  // Owned by the loop's thread.
  absl::flat_hash_map<AttemptId, std::unique_ptr<Delivery>> deliveries_;
  std::unique_ptr<io::Timer> last_timer_;    // Of the destructor.
  size_t empty_pools_ = 0;                   // Of those that it closes.
  absl::Notification* all_ended_ = nullptr;  // Set by it.
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_EMAIL_HANDLER_H_
