#ifndef ERRAND_SERVER_STORE_MEMORY_TOKEN_BUCKET_H_
#define ERRAND_SERVER_STORE_MEMORY_TOKEN_BUCKET_H_

#include <algorithm>

#include "absl/time/time.h"
#include "errand/v1/queues.pb.h"
#include "server/clock/instant.h"

namespace errand::store {

// Holds a queue to its rate.
class TokenBucket {
 public:
  // A full bucket of the new size; a rate of 0 means no limit.
  void Configure(const v1::RateLimit& limit, clock::Instant now) {
    rate_ = limit.tasks_per_second();
    size_ = std::max(1, limit.burst());
    tokens_ = size_;
    filled_ = now;
  }

  bool limited() const { return rate_ > 0; }

  // Whether a token is there. If not, see NextToken.
  bool HasToken(clock::Instant now) {
    if (!limited()) return true;
    tokens_ = std::min(size_, tokens_ + rate_ * absl::ToDoubleSeconds(now - filled_));
    filled_ = now;
    // What rounding takes must not keep a due task waiting.
    return tokens_ >= 1 - 1e-6;
  }

  // After HasToken said yes.
  void Take() {
    if (limited()) tokens_ = std::max(0.0, tokens_ - 1);
  }

  // When the next token comes, after HasToken said no.
  clock::Instant NextToken() const { return filled_ + absl::Seconds((1 - tokens_) / rate_); }

 private:
  double rate_ = 0;
  double size_ = 1;
  double tokens_ = 1;
  clock::Instant filled_ = clock::Instant::InfinitePast();
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_TOKEN_BUCKET_H_
