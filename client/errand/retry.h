#ifndef ERRAND_RETRY_H_
#define ERRAND_RETRY_H_

#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "errand/options.h"

namespace errand {

// Decides whether one call is attempted again, and waits until it is time to. Used by one thread.
class Retry {
 public:
  // `options` and `cancellation` (may be null) are borrowed. `deadline` is the caller's.
  Retry(const RetryOptions& options, absl::Time deadline, Cancellation* cancellation);

  // The server gave a sign of life: its next failure is the first of a row.
  void Succeeded();

  // `error` ended an attempt. OK, after the wait: make another one. Otherwise what the call returns:
  // CANCELLED only when the caller cancelled, `error` where repeating is no use or the time is up.
  absl::Status Next(const absl::Status& error);

  // Whether Next() has let an attempt follow another: the server may have done what an earlier one asked for.
  bool repeated() const { return repeated_; }

  // Waits for `duration`, or for the end of the caller's time if that comes first. Returns Check().
  absl::Status Wait(absl::Duration duration) const;

  // Whether an attempt may start: DEADLINE_EXCEEDED or CANCELLED when the caller's time is over.
  absl::Status Check() const;

  absl::Time deadline() const { return deadline_; }
  Cancellation* cancellation() const { return cancellation_; }

 private:
  const RetryOptions& options_;
  const absl::Time deadline_;
  Cancellation* const cancellation_;
  absl::Duration backoff_;
  absl::Time give_up_ = absl::InfiniteFuture();  // Set by the first failure of a row.
  bool repeated_ = false;
  absl::BitGen random_;
};

}  // namespace errand

#endif  // ERRAND_RETRY_H_
