#ifndef ERRAND_SERVER_RPC_SUSPECTS_H_
#define ERRAND_SERVER_RPC_SUSPECTS_H_

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/guard/allowance.h"
#include "server/rpc/peer_address.h"

namespace errand::rpc {

// Networks whose connections were cut a few times within seconds: who is cut connects again. For a while
// their newcomers come in slowly, and are allowed less. Times as of Meter::Now. Any thread.
class Suspects {
 public:
  void OnCut(const PeerAddress::Network& network, double now);
  bool Contains(const PeerAddress::Network& network, double now) const;
  // Whether a newcomer may come in now; of a network that is none of these always.
  bool Admit(const PeerAddress::Network& network, double now);

 private:
  struct Suspect {
    int cuts = 0;
    double last_cut = 0;
    Allowance newcomers;
  };

  void Forget(double now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static bool IsSuspect(const Suspect& suspect, double now);

  mutable absl::Mutex mu_;
  absl::flat_hash_map<PeerAddress::Network, Suspect> suspects_ ABSL_GUARDED_BY(mu_);
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_SUSPECTS_H_
