#ifndef ERRAND_CANCELLATION_H_
#define ERRAND_CANCELLATION_H_

#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace grpc {
class ClientContext;
}

namespace errand {

// Lets one thread abort the blocking calls of others. Pass it in CallOptions; one object may serve any
// number of calls at the same time and one after another. It must outlive the calls that it was passed to.
//
// Any method may be called from any thread, an event callback included. Cancel() takes a lock, so it may not
// be called from a signal handler: let a thread wait for the signal (sigwait) and call it.
class Cancellation {
 public:
  Cancellation() = default;
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  // Ends the calls that run with this object, and all later ones, with CANCELLED. A task that was created
  // goes on: cancelling a call does not cancel its task. Never undone.
  void Cancel();

  bool cancelled() const;

  // Waits until `deadline` or for Cancel(), whichever comes first; true when it was Cancel().
  bool WaitUntil(absl::Time deadline) const;

 private:
  friend class CancellableContext;

  mutable absl::Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<grpc::ClientContext*> calls_ ABSL_GUARDED_BY(mu_);  // Borrowed while a call runs.
};

}  // namespace errand

#endif  // ERRAND_CANCELLATION_H_
