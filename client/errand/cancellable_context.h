#ifndef ERRAND_CANCELLABLE_CONTEXT_H_
#define ERRAND_CANCELLABLE_CONTEXT_H_

#include <grpcpp/client_context.h>

#include "absl/time/time.h"
#include "errand/cancellation.h"

namespace errand {

// The grpc::ClientContext of one call, which `cancellation` can abort as long as this object lives.
// A call made after Cancel() ends at once. Used by the thread that makes the call.
class CancellableContext {
 public:
  // `cancellation` is borrowed and may be null. InfiniteFuture means no deadline.
  CancellableContext(Cancellation* cancellation, absl::Time deadline);
  ~CancellableContext();

  CancellableContext(const CancellableContext&) = delete;
  CancellableContext& operator=(const CancellableContext&) = delete;

  grpc::ClientContext* get() { return &context_; }

 private:
  Cancellation* const cancellation_;
  grpc::ClientContext context_;
};

}  // namespace errand

#endif  // ERRAND_CANCELLABLE_CONTEXT_H_
