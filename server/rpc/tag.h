#ifndef ERRAND_SERVER_RPC_TAG_H_
#define ERRAND_SERVER_RPC_TAG_H_

#include "server/rpc/guard/unseen.h"

namespace errand::rpc {

// What every `void*` on a completion queue points to: one function to call. The loop's one branch.
struct Tag {
  // `ok` as documented at grpc::CompletionQueue::Next.
  void (*on_complete)(Tag* tag, bool ok) = nullptr;
};

// gRPC as packaged is not instrumented, so the thread sanitizer does not see that what was written before
// an operation started is ordered before its completion. These tell it; otherwise they are nothing.
inline void BeforeStart(Tag* tag) { OrderBefore(tag); }
inline void AfterCompletion(Tag* tag) { OrderAfter(tag); }

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_TAG_H_
