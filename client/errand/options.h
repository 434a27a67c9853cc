#ifndef ERRAND_OPTIONS_H_
#define ERRAND_OPTIONS_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "errand/cancellation.h"

namespace errand {

// How a Client deals with a server that is away: with calls that end with UNAVAILABLE, or with CANCELLED
// when it was not the caller who cancelled (gRPC gives that to calls that race a server's shutdown).
//
// The wait before an attempt is drawn evenly from the upper half of the backoff, which doubles with each
// failed attempt. A longer RetryInfo of the server is honoured.
struct RetryOptions {
  absl::Duration min_backoff = absl::Milliseconds(50);
  absl::Duration max_backoff = absl::Seconds(5);

  // How long a call puts up with failed attempts in a row before it returns the last one's error. Zero: it
  // does not repeat any. An answer or an event of the server starts the clock again.
  absl::Duration give_up_after = absl::Seconds(30);

  // Called before each wait with the error and the wait's length, on the calling thread. May be empty. When
  // the Client is used by several threads, so is this.
  std::function<void(const absl::Status& error, absl::Duration wait)> on_retry;
};

// Events that a stream asked for and the server no longer keeps.
struct Gap {
  int64_t after = 0;  // The last sequence before them; for WatchQueue, the position.
  int64_t lost = 0;   // How many; 0 when the server started anew and nobody knows.
};

// What one call may be told.
struct CallOptions {
  // How long the caller is ready to wait, all attempts included. Not more than zero: the call ends with
  // DEADLINE_EXCEEDED without having been tried.
  absl::Duration timeout = absl::InfiniteDuration();

  // Aborts the call from another thread. Borrowed until the call returns; may be null.
  Cancellation* cancellation = nullptr;

  // Run, Watch, WatchQueue: called on the calling thread when events are no longer kept; the call then goes
  // on with the first one that is. Empty: the call ends with OUT_OF_RANGE, so that no event is missed in
  // silence.
  std::function<void(const Gap& gap)> on_gap;
};

}  // namespace errand

#endif  // ERRAND_OPTIONS_H_
