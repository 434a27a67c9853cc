#ifndef ERRAND_SERVER_HANDLERS_EMAIL_DELIVERY_H_
#define ERRAND_SERVER_HANDLERS_EMAIL_DELIVERY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/clock/instant.h"
#include "server/clock/moment.h"
#include "server/handlers/email/receipt.h"
#include "server/handlers/email/smtp_session.h"
#include "server/handlers/handler.h"
#include "server/io/loop.h"
#include "server/io/timer.h"
#include "server/task/duration.h"

namespace errand::handlers {

// One attempt to deliver one message: what is to be sent, to whom, and what has come of it so far. Knows no
// connection: it is taken from one to the next until nobody is open. All calls on the loop's thread.
class Delivery {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;

    // The attempt has had its run_timeout. May destroy the delivery.
    virtual void OnRunTimeout(Delivery* delivery) = 0;
  };

  // `loop` and `owner` are borrowed. `message_id_domain` may be empty: that of the author. `started` is when
  // the attempt began.
  Delivery(io::Loop* loop, Owner* owner, Attempt attempt, absl::string_view message_id_domain,
           std::unique_ptr<AttemptObserver> observer, clock::Moment started);

  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  const std::string& profile() const { return attempt_.task->email().profile(); }
  AttemptId id() const { return attempt_.id; }
  const std::string& task() const { return attempt_.task->name(); }
  absl::Duration run_timeout() const { return task::FromProto(attempt_.task->run_timeout()); }

  // Nobody is left to be addressed by this attempt.
  bool done() const { return receipt_.open().empty(); }

  // The next transaction: to all that are open.
  SmtpEnvelope NextEnvelope();

  // The whole message. Made when it is first asked for, and kept.
  const std::string& message();

  // Counts the time from here on towards run_timeout, or does not.
  void RunClock();
  void StopClock();

  // Keeps that the message of a transaction with NextEnvelope() is about to be handed over to `server`, whose
  // answers to the recipients are `replies`. `noted` is called when that is kept, from any thread; an error:
  // it must not be.
  void NoteHandOver(const std::vector<v1::SmtpReply>& replies, absl::string_view server,
                    absl::AnyInvocable<void(absl::Status)> noted);

  // Tells those who watch the task how far it is.
  void Say(absl::string_view text) { Say(v1::LOG_LEVEL_INFO, text); }
  // The same of the replies to the recipients of NextEnvelope(): how many were accepted, and who was not, up
  // to kMaxRefusalsTold an attempt.
  void SayRecipients(const std::vector<v1::SmtpReply>& replies);

  // Takes in what came of that transaction.
  void Add(const SmtpTranscript& transcript, absl::string_view server);

  // Nothing more is tried. Only while somebody is open.
  void Fail(const SmtpFailure& failure) { receipt_.Fail(failure); }

  // It had the bad luck to get a connection that had died meanwhile, and was taken back.
  bool taken_back() const { return taken_back_; }
  void TakeBack() { taken_back_ = true; }

  // Tells the observer that the attempt ends before it has begun, and that the next one may come in `delay`,
  // and destroys it.
  void PutOff(absl::Duration delay);

  // Tells the observer how the attempt ended, and destroys it. Once, last, when done().
  void Report();

 private:
  static constexpr int kMaxRefusalsTold = 100;

  void Say(v1::LogLevel level, absl::string_view text);

  io::Loop* const loop_;
  const Attempt attempt_;
  const clock::Moment started_;
  std::unique_ptr<AttemptObserver> observer_;
  const std::string message_id_;
  Receipt receipt_;
  std::string message_;
  bool taken_back_ = false;
  int refusals_told_ = 0;
  absl::Duration run_time_left_;
  clock::Instant clock_runs_since_;
  io::Timer run_timer_;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_EMAIL_DELIVERY_H_
