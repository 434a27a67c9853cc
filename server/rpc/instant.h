#ifndef ERRAND_SERVER_RPC_INSTANT_H_
#define ERRAND_SERVER_RPC_INSTANT_H_

#include <grpc/support/time.h>

#include <chrono>

#include "server/clock/instant.h"

namespace errand::rpc {

// As gRPC wants it, whose monotonic clock is the same.
inline gpr_timespec ToGpr(clock::Instant instant) {
  if (instant == clock::Instant::InfiniteFuture()) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  if (instant == clock::Instant::InfinitePast()) return gpr_inf_past(GPR_CLOCK_MONOTONIC);
  const auto since = instant.ToChrono().time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  const auto nanos = static_cast<int32_t>(std::chrono::nanoseconds(since - seconds).count());
  return {seconds.count(), nanos, GPR_CLOCK_MONOTONIC};
}

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_INSTANT_H_
