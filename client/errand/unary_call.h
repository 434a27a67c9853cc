#ifndef ERRAND_UNARY_CALL_H_
#define ERRAND_UNARY_CALL_H_

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "errand/cancellable_context.h"
#include "errand/error.h"
#include "errand/options.h"
#include "errand/retry.h"

namespace errand {

// When a call that starts now must be over.
inline absl::Time DeadlineOf(const CallOptions& options) { return absl::Now() + options.timeout; }

// Makes a unary call of `stub`, as often as `retry` says. Used by the thread that owns `retry`.
template <class Stub, class Request, class Response>
absl::Status Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const Request& request, Response* response, Retry& retry) {
  absl::Status status = retry.Check();
  while (status.ok()) {
    CancellableContext context(retry.cancellation(), retry.deadline());
    status = FromGrpc((stub.*method)(context.get(), request, response));
    if (status.ok()) return status;
    status = retry.Next(status);
  }
  return status;
}

}  // namespace errand

#endif  // ERRAND_UNARY_CALL_H_
